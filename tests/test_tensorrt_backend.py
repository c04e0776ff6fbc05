"""The TensorRT backend without a GPU: on a driver in host memory and a TensorRT that runs ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_gpu import HERE, ROOT, build_driver, run_with_gpu
from test_device import CHECKS, PYTEST


@pytest.mark.parametrize("late", [True, False], ids=["as late as possible", "at once"])
def test_the_backend_from_frames_to_outputs(late: bool, tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    checks = [*PYTEST, CHECKS / "check_tensorrt.py", CHECKS / "check_tensorrt_failing.py"]
    # Errors from every call take long, and when the driver works makes no difference to them.
    checks, environment = (checks, {}) if late else ([*checks, "-k", "not fail"], {"FAKE_CUDA_EAGER": "1"})
    driver = build_driver(tmp_path / "driver")
    paths = [HERE / "fake_tensorrt"]
    ran = run_with_gpu(driver, checks, tmp_path, python_path=paths, timeout_s=100, **environment)
    assert ran.code == 0, ran.out + ran.err


def test_what_rtx_asks_for_beside_that(tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings", reason="cuda-python is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    driver = build_driver(tmp_path / "driver")
    paths = [HERE / "fake_tensorrt_rtx", HERE / "fake_tensorrt", ROOT / "benchmarks/gpu"]
    ran = run_with_gpu(driver, [*PYTEST, CHECKS / "check_tensorrt_rtx.py"], tmp_path, python_path=paths)
    assert ran.code == 0, ran.out + ran.err
