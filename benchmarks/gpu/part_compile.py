"""Our ENet by torch on the same card: eager and torch.compile, float16, with CUDA graphs. The network alone."""

from __future__ import annotations

import time
from typing import Any

from networks import SEMANTIC_HW
from report import Report, Skip, need_gpu, run
from steps import deployed

CLASSES = 19


def main(report: Report) -> None:
    need_gpu(report)
    try:
        import torch
    except ImportError as error:
        raise Skip(f"torch is not here: {error}") from error
    if not torch.cuda.is_available():
        raise Skip(f"torch {torch.__version__} does not see the GPU")
    report.fact("version", torch.__version__)
    for batch in (1, 8):
        for size_hw in SEMANTIC_HW:
            for compiled in (False, True):
                report.tried(
                    lambda size_hw=size_hw, batch=batch, compiled=compiled: timed(size_hw, batch, compiled),  # type: ignore[misc]
                    network=f"ENet {size_hw[1]}x{size_hw[0]}",
                    batch=batch,
                    by="torch.compile" if compiled else "torch eager",
                )


def timed(size_hw: tuple[int, int], batch: int, compiled: bool, seconds: float = 1.0) -> dict[str, Any]:
    """Milliseconds a batch, input and output on the device."""
    import torch

    module: Any = deployed(CLASSES, size_hw, half=True).cuda()
    given = torch.rand((batch, 3, *size_hw), device="cuda") * 255
    if compiled:
        module = torch.compile(module, mode="reduce-overhead")  # with CUDA graphs
    begun = time.perf_counter()
    with torch.no_grad():
        for _ in range(4):
            module(given)
        torch.cuda.synchronize()
        first_s = time.perf_counter() - begun
        times: list[float] = []
        event: Any = torch.cuda.Event
        first, last = event(enable_timing=True), event(enable_timing=True)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 3:
            first.record()
            for _ in range(10):
                module(given)
            last.record()
            torch.cuda.synchronize()
            times.append(first.elapsed_time(last) / 10)
    times.sort()
    torch.compiler.reset()
    p50 = times[len(times) // 2]
    told = {"ms": round(p50, 4), "model_fps": round(1000 * batch / p50, 1), "first_s": round(first_s, 1)}
    return told | {"memory_mib": round(torch.cuda.max_memory_allocated() / 2**20, 1)}


if __name__ == "__main__":
    run("compile", main)
