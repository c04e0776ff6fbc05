"""The backend onnxruntime-cuda: what really runs, its outputs against the CPU's, and its speed with IO binding."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import prepare
from networks import Net, frames, networks
from report import Report, Skip, need_gpu, run

from engines.backends.base import Backend, Options
from engines.backends.onnxruntime import open_cpu
from pipeline.image import Image


def main(report: Report) -> None:
    need_gpu(report)
    import onnxruntime

    report.fact("version", onnxruntime.__version__)
    providers = onnxruntime.get_available_providers()
    report.fact("providers", providers)
    if "CUDAExecutionProvider" not in providers:
        raise Skip("the installed onnxruntime is built without CUDA: the pack of onnxruntime-gpu is not here")
    from engines.backends.onnxruntime_cuda import open_cuda
    from engines.backends.onnxruntime_libraries import preload

    report.fact("missing_libraries", preload(onnxruntime))
    images, source = frames(8)
    report.fact("frames", source)
    with tempfile.TemporaryDirectory() as folder:
        found, missing = networks(Path(folder))
        report.fact("missing", missing)
        for net in found:
            report.tried(lambda net=net: compare(net, images, open_cuda), network=net.label)  # type: ignore[misc]


def compare(net: Net, images: Sequence[Image], open_backend: Any, seconds: float = 1.5) -> dict[str, Any]:
    """A backend beside the CPU on real frames.

    Returns:
        largest and mean difference of the outputs, agreement (of whole numbers: equal; else of the argmax over
        axis 1), milliseconds a frame with all slots busy, what it says of itself.
    """
    prepared = prepare(net.card, images)
    options = Options(shape_hw=net.size_hw)
    cpu, gpu = open_cpu(net.card, options), open_backend(net.card, options)
    try:
        wanted = [cpu.submit([one]).result()[0].arrays() for one in prepared[:4]]
        outputs = [gpu.submit([one]).result()[0].arrays() for one in prepared[:4]]
        told = differences(outputs, wanted)
        told |= {"detail": gpu.detail, "ms_a_frame": round(1000 / speed(gpu, prepared, seconds), 4)}
        told["same_twice"] = all(
            np.array_equal(one, two)
            for one, two in zip(outputs[0], gpu.submit([prepared[0]]).result()[0].arrays(), strict=True)
        )
    finally:
        gpu.close()
        cpu.close()
    return told


def differences(outputs: Sequence[tuple[Any, ...]], wanted: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """Over all frames and outputs."""
    pairs = [pair for one, two in zip(outputs, wanted, strict=True) for pair in zip(one, two, strict=True)]
    apart = [np.abs(one.astype(np.float64) - two.astype(np.float64)) for one, two in pairs]
    same = [
        np.mean(one == two) if one.dtype.kind in "iu" else np.mean(one.argmax(1) == two.argmax(1))
        for one, two in pairs
    ]
    return {
        "largest": float(max(array.max() for array in apart)),
        "mean": float(np.mean([array.mean() for array in apart])),
        "agree": float(min(same)),
        "not_finite": int(sum(np.count_nonzero(~np.isfinite(one)) for one, _ in pairs if one.dtype.kind == "f")),
    }


def speed(backend: Backend, prepared: Sequence[Any], seconds: float) -> float:
    """Frames per second with every slot busy."""
    tickets = [backend.submit([prepared[number % len(prepared)]]) for number in range(backend.slots)]
    count, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds or count < 3:
        tickets.pop(0).result()
        tickets.append(backend.submit([prepared[count % len(prepared)]]))
        count += 1
    for ticket in tickets:
        ticket.result()
    return count / passed


if __name__ == "__main__":
    run("onnxruntime", main)
