"""What TensorRT for RTX makes of this GPU, which may be none of its own: a line of JSON for each thing it came to.

It runs in a process of its own, which may crash: the last line tells how far it came.

python ask_rtx.py usual     a plan for the GPUs that RTX builds for where nothing is said
python ask_rtx.py this      a plan for the GPU that is here
python ask_rtx.py plain     the usual one without REQUIRE_USER_ALLOCATION, which dashmask asks for
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TARGETS = ("usual", "this", "plain")
SIDE = 64


def ask(target: str, seconds: float = 40) -> dict[str, Any]:
    """What came of it, and how the process ended where it did not end well."""
    words = (sys.executable, str(Path(__file__).resolve()), target)
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        out = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
        return _told(out) | {"ended": f"stopped after {seconds:g} s"}
    ended = {} if done.returncode == 0 else {"ended": done.returncode, "said": done.stderr.strip()[-300:]}
    return _told(done.stdout) | ended


def _told(out: str) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for line in out.splitlines():
        if line.startswith("{"):
            told |= json.loads(line)
    return told


def main(target: str) -> None:
    import tensorrt_rtx as trt

    logger = trt.Logger(trt.Logger.WARNING)
    plan = _plan(trt, logger, target)
    say(version=trt.__version__, plan_bytes=0 if plan is None else len(plan))
    if plan is None:
        return
    from engines.device import open_device

    device = open_device()
    with device.current():
        runtime = trt.Runtime(logger)
        validity, why = runtime.get_engine_validity(plan)
        say(compute_capability=device.compute_capability, validity=str(validity), diagnostics=str(why))
        engine = runtime.deserialize_cuda_engine(plan)
        say(loaded=engine is not None)
        if engine is None:
            return
        context = engine.create_execution_context()
        say(context=context is not None)
        if context is not None:
            _run(device, context)


def _plan(trt: Any, logger: Any, target: str) -> bytes | None:
    """A convolution whose answer is 27 everywhere for an image of ones."""
    import numpy as np

    builder = trt.Builder(logger)
    network = builder.create_network(0)
    image = network.add_input("image", trt.float32, (1, 3, SIDE, SIDE))
    weights = trt.Weights(np.ones((1, 3, 3, 3), np.float32))
    layer = network.add_convolution_nd(image, 1, (3, 3), weights, trt.Weights())
    layer.get_output(0).name = "sums"
    network.mark_output(layer.get_output(0))
    config = builder.create_builder_config()
    if target != "plain":
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    if target == "this":
        config.num_compute_capabilities = 1
        say(asked_for_this=bool(config.set_compute_capability(trt.ComputeCapability.CURRENT, 0)))
    made = builder.build_serialized_network(network, config)
    return None if made is None else bytes(made)


def _run(device: Any, context: Any) -> None:
    import numpy as np

    image, sums = np.ones((1, 3, SIDE, SIDE), np.float32), np.zeros((1, 1, SIDE - 2, SIDE - 2), np.float32)
    stream, given, found = device.stream(), device.alloc(image.nbytes), device.alloc(sums.nbytes)
    device.upload(given, image, stream)
    context.set_tensor_address("image", given.ptr)
    context.set_tensor_address("sums", found.ptr)
    say(capturable_at_first=bool(context.is_stream_capturable(stream.handle)))
    for _ in range(2):
        say(ran=bool(context.execute_async_v3(stream.handle)))
        stream.synchronize()
    say(capturable=bool(context.is_stream_capturable(stream.handle)))
    device.download(sums, found, stream)
    stream.synchronize()
    say(right=bool((sums == 27).all()))


def say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Exception as error:
        say(failed=f"{type(error).__name__}: {error}"[:300])
    os._exit(0)  # nothing is torn down: RTX may crash in that
