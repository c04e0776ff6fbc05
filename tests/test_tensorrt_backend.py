"""The TensorRT backend without a GPU: on a driver in host memory and a TensorRT that runs ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_gpu import HERE, ROOT, need_cuda_python, run_checks


@pytest.mark.parametrize("late", [True, False], ids=["as late as possible", "at once"])
def test_the_backend_from_frames_to_outputs(late: bool, driver: Path, tmp_path: Path) -> None:
    need_cuda_python()
    # Errors from every call take long, and when the driver works makes no difference to them.
    but, environment = ("", {}) if late else ("fail", {"FAKE_CUDA_EAGER": "1"})
    paths = [HERE / "fake_tensorrt"]
    run_checks(driver, tmp_path, "tensorrt", "tensorrt_errors", python_path=paths, but=but, **environment)


def test_what_rtx_asks_for_beside_that(driver: Path, tmp_path: Path) -> None:
    need_cuda_python()
    paths = [HERE / "fake_tensorrt_rtx", HERE / "fake_tensorrt", ROOT / "benchmarks/gpu"]
    run_checks(driver, tmp_path, "tensorrt_rtx", python_path=paths)
