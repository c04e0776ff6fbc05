"""The process in which TensorRT builds. Without a driver, or on a wrong one, TensorRT can take its process down.

It reads one request, writes what happens as lines of JSON to a pipe, and what TensorRT says to a log as it says it,
so that both are there after a crash. It ends with its parent, whose end of standard input closes then.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from engines.tensorrt_api import Api, open_api
from engines.tensorrt_builder import BuildFailed, ParseError, Profile, build
from pipeline.errors import BackendError

_TELL_EVERY_S = 0.05


def main(request: str, reply: int, log: int) -> None:
    """Answer a request and leave; nothing is torn down.

    Args:
        request: JSON file: `product`, perhaps its `module`; to build also `onnx` (file), `profiles`,
            `workspace_mib`, `optimisation_level`, `compute_capability`, `timing` (file), `plan` (file to write),
            `most_bytes`.
        reply: file descriptor for lines of JSON.
        log: file descriptor for what TensorRT says.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    version = ""

    def heard(severity: str, text: str) -> None:
        os.write(log, f"{severity}: {text}\n".encode(errors="replace"))

    try:
        asked = json.loads(Path(request).read_bytes())
        api = open_api(asked["product"], asked.get("module", ""), heard)
        version = api.version
        answer = _build(api, asked, reply) if "onnx" in asked else {}
    except ParseError as error:
        answer = {"parse": [[e.node, e.operator, e.description, e.code] for e in error.errors]}
    except BuildFailed as error:
        answer = {"failed": str(error)}
    except BackendError as error:
        answer = {"error": error.message, "hint": error.hint}
    except MemoryError:
        answer = {"error": "there is too little memory to build", "hint": ""}
    except OSError as error:
        answer = {"error": f"the plan cannot be written: {error.strerror or error}", "hint": ""}
    _send(reply, {"version": version, **answer})
    os._exit(0)


def _build(api: Api, request: dict[str, Any], reply: int) -> dict[str, Any]:
    next_s = 0.0

    def progress(phase: str, done: float) -> bool:
        nonlocal next_s
        now_s = time.monotonic()
        if now_s >= next_s:
            next_s = now_s + _TELL_EVERY_S
            _send(reply, {"phase": phase, "done": round(done, 4)})
        return True

    timing = Path(request["timing"]) if request.get("timing") else None
    plan, measured = build(
        api,
        Path(request["onnx"]).read_bytes(),
        [Profile(*(tuple(shape) for shape in shapes)) for shapes in request["profiles"]],
        workspace_mib=request["workspace_mib"],
        optimisation_level=request["optimisation_level"],
        compute_capability=request["compute_capability"],
        timing_cache=timing.read_bytes() if timing is not None and timing.is_file() else None,
        progress=progress,
    )
    if len(plan) > request["most_bytes"]:
        size, most = len(plan) / 2**20, request["most_bytes"] / 2**20
        raise BackendError(
            f"the plan has {size:.1f} MiB, at most {most:.1f} are kept", hint="give fewer --shapes or --batch"
        )
    Path(request["plan"]).write_bytes(plan)
    if timing is not None and measured:
        unfinished = timing.with_suffix(f".{os.getpid()}")
        with suppress(OSError):  # the next build measures again
            unfinished.write_bytes(measured)
            os.replace(unfinished, timing)
    return {"bytes": len(plan)}


def _send(reply: int, answer: dict[str, Any]) -> None:
    try:
        os.write(reply, json.dumps(answer).encode() + b"\n")
    except BrokenPipeError:  # nobody waits for it any more
        os._exit(1)


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)
