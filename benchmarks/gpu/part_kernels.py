"""All kernels on the GPU against the CPU: the tests of the kernels, and the whole way with a network that repeats."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from networks import ROOT
from report import Report, need_gpu, run

TESTS = ("test_kernels_preparing.py", "test_kernels_labels.py", "test_kernels_detections.py")


def main(report: Report) -> None:
    need_gpu(report)
    report.tried(compiled, claim="NVRTC compiles every kernel for this GPU")
    for name in TESTS:
        report.tried(lambda name=name: tested(name, report.left()), claim=name)  # type: ignore[misc]
    for what in ("yolo-seg", "semantic"):
        report.tried(lambda what=what: repeated(what), claim=f"the whole way, {what}")  # type: ignore[misc]


def compiled() -> dict[str, Any]:
    from engines.gpu import gpu_here
    from engines.kernels.compile import SOURCES, compile_kernels

    major, minor = map(int, gpu_here()[0].compute_capability.split("."))
    return {"bytes": {source: len(compile_kernels(source, (major, minor))) for source in SOURCES}, "passed": True}


def tested(name: str, seconds: float) -> dict[str, Any]:
    """Run a file of tests with the GPU in place of the emulator."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "junit.xml"
        words: tuple[str, ...] = (
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-o",
            "addopts=",
            "-o",
        )
        words += ("filterwarnings=default", f"--junitxml={result}", str(ROOT / "tests" / name))
        environment = {**os.environ, "DASHMASK_KERNELS_ON": "gpu"}
        done = subprocess.run(
            words, env=environment, cwd=ROOT, timeout=max(seconds, 5), capture_output=True, text=True, check=False
        )
        print(done.stdout[-3000:], done.stderr[-2000:])
        counted = ElementTree.parse(result).getroot().find("testsuite")
    assert counted is not None
    numbers = {key: int(counted.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
    wrong = [case.get("name") for case in counted.iter("testcase") if case.find("failure") is not None]
    return numbers | {"wrong": wrong, "passed": done.returncode == 0}


def repeated(family: str, library: Path = Path("nvrtc")) -> dict[str, Any]:
    """As tests/test_kernels_way.py does on the driver in host memory.

    Args:
        library: of kernels for that driver; nvrtc: compiled here.
    """
    import numpy as np
    from kernel_emulator.check_way import Said, check
    from test_kernels_way import card, detections, frames

    from pipeline.config import DecodeConfig
    from pipeline.placement import network_size
    from pipeline.types import InputSpec

    size_hw, batches = (135, 240), (2, 2, 1, 2)
    if family == "yolo-seg":
        images = [frames("yuv420p", size_hw, count, seed) for seed, count in enumerate(batches)]
        outputs = [detections(size_hw, 2, seed) for seed in range(len(batches))]
        said = Said(card(family, 2), DecodeConfig(max_det=200), images, outputs)
    else:
        rng = np.random.default_rng(0)
        height, width = network_size(size_hw, InputSpec("images"))
        images = [frames("nv12", size_hw, 2, seed) for seed in range(3)]
        logits = [rng.normal(size=(2, 4, height // 4, width // 4)).astype(np.float32) for _ in images]
        said = Said(card(family, 1), DecodeConfig(), images, [[array] for array in logits])
    check(said, library)
    return {"passed": True}


if __name__ == "__main__":
    run("kernels", main)
