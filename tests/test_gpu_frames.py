"""GPU backends that take frames, without a GPU: see on_fake_gpu/check_frames.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_gpu import HERE, need_cuda_python, run_checks
from kernel_emulator.build import host_kernels
from kernel_emulator.cache import fill_cache

TENSORRT = [HERE / "fake_tensorrt"]


@pytest.mark.parametrize("late", [True, False], ids=["as late as possible", "at once"])
def test_backends_from_frames_to_scenes(driver: Path, late: bool, tmp_path: Path) -> None:
    need_cuda_python()
    fill_cache(tmp_path / "try")
    # Formats and rules take long, and when the driver works makes no difference to them.
    but, environment = ("", {}) if late else ("format or rules", {"FAKE_CUDA_EAGER": "1"})
    environment = {**environment, "DASHMASK_KERNELS_LIBRARY": str(host_kernels())}
    run_checks(driver, tmp_path, "frames", python_path=TENSORRT, but=but, **environment)


def test_what_goes_wrong_on_the_way(driver: Path, tmp_path: Path) -> None:
    need_cuda_python()
    fill_cache(tmp_path / "try")
    environment = {"DASHMASK_KERNELS_LIBRARY": str(host_kernels())}
    run_checks(driver, tmp_path, "frames_failing", python_path=TENSORRT, **environment)
