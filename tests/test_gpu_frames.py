"""GPU backends that take frames, without a GPU: see on_fake_gpu/check_frames.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_gpu import HERE, build_driver, run_with_gpu
from kernel_emulator.build import host_kernels
from kernel_emulator.cache import fill_cache
from test_device import CHECKS, PYTEST

TENSORRT = [HERE / "fake_tensorrt"]
EAGER = {"FAKE_CUDA_EAGER": "1"}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    return build_driver(tmp_path_factory.mktemp("gpu") / "driver")


@pytest.mark.parametrize("late", [True, False], ids=["as late as possible", "at once"])
def test_backends_from_frames_to_scenes(driver: Path, late: bool, tmp_path: Path) -> None:
    fill_cache(tmp_path / "try")
    checks = [*PYTEST, CHECKS / "check_frames.py"]
    # Formats and rules take long, and when the driver works makes no difference to them.
    checks, environment = (checks, {}) if late else ([*checks, "-k", "not format and not rules"], EAGER)
    environment = {**environment, "DASHMASK_KERNELS_LIBRARY": str(host_kernels())}
    ran = run_with_gpu(driver, checks, tmp_path, python_path=TENSORRT, timeout_s=110, **environment)
    assert ran.code == 0, ran.out + ran.err


def test_what_goes_wrong_on_the_way(driver: Path, tmp_path: Path) -> None:
    fill_cache(tmp_path / "try")
    checks = [*PYTEST, CHECKS / "check_frames_failing.py"]
    environment = {"DASHMASK_KERNELS_LIBRARY": str(host_kernels())}
    ran = run_with_gpu(driver, checks, tmp_path, python_path=TENSORRT, timeout_s=110, **environment)
    assert ran.code == 0, ran.out + ran.err
