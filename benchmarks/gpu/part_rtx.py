"""TensorRT for RTX on this GPU: whether it loads, builds, runs and is right. Officially not for cc 9.0."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ask_rtx import TARGETS, ask
from networks import Net, frames, networks
from part_onnxruntime import compare
from report import Report, Skip, need_gpu, run

from pipeline.image import Image


def main(report: Report) -> None:
    need_gpu(report)
    from engines.probe import installed, tensorrt_here

    for target in TARGETS if installed("tensorrt_rtx") else ():
        report.fact(f"a_plan_for_{target}", ask(target, min(25, report.left() / 3)))
    here = tensorrt_here("tensorrt-rtx")
    if here.reason:
        raise Skip(here.reason)
    report.fact("version", here.version)
    images, source = frames(8)
    report.fact("frames", source)
    with tempfile.TemporaryDirectory() as folder:
        found, missing = networks(Path(folder))
        report.fact("missing", missing)
        for net in found:
            for precision in ("fp32", "fp16"):
                what = {"network": net.label, "precision": precision}
                report.tried(lambda net=net, precision=precision: built(net, precision, images), **what)  # type: ignore[misc]


def built(net: Net, precision: str, images: Sequence[Image]) -> dict[str, Any]:
    """Build a plan where a run finds it, and compare the backend that loads it with the CPU."""
    from engines.backends.tensorrt import open_rtx
    from engines.build import build

    begun = time.perf_counter()
    made = build(net.card, precision=precision, shapes_hw=[net.size_hw], product="tensorrt-rtx")
    told = {"build_s": round(time.perf_counter() - begun, 1), "plan_mib": made.plan.manifest.plan_bytes / 2**20}
    try:
        return told | compare(net, images, open_rtx)
    finally:
        made.plan.path.unlink()  # the next precision is another plan of the same network


if __name__ == "__main__":
    run("rtx", main)
