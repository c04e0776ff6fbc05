"""What is asked of a GPU while a benchmark runs; a stand-in for the management library says what a GPU would."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from pipeline.bench.gpu_meter import GpuMeter, over_time


class NVMLError(Exception):
    pass


def refuse(*asked: object) -> Any:
    raise NVMLError("Not Supported")


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A GPU of 250 W that counts energy, and hides its temperature."""
    energy_mj = iter(range(1_000_000, 10**9, 500_000))
    fakes: dict[str, Callable[..., Any]] = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda gpu: b"NVIDIA T1000",
        "nvmlSystemGetDriverVersion": lambda: "580.1",
        "nvmlDeviceGetTotalEnergyConsumption": lambda gpu: next(energy_mj),
        "nvmlDeviceGetPowerUsage": lambda gpu: 99_000,
        "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(used=512 << 20),
        "nvmlDeviceGetComputeRunningProcesses": lambda gpu: [
            SimpleNamespace(pid=os.getpid(), usedGpuMemory=100 << 20)
        ],
        "nvmlDeviceGetUtilizationRates": lambda gpu: SimpleNamespace(gpu=70),
        "nvmlDeviceGetClockInfo": lambda gpu, kind: 1500,
        "nvmlDeviceGetTemperature": refuse,
    }
    module = ModuleType("pynvml")
    module.__dict__.update(fakes, NVMLError=NVMLError, NVML_CLOCK_SM=1, NVML_TEMPERATURE_GPU=0)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return module


def test_power_is_that_of_the_window_and_what_a_gpu_does_not_tell_is_left_out(nvml: ModuleType) -> None:
    meter = GpuMeter()
    assert (meter.reason, meter.name, meter.driver) == ("", "NVIDIA T1000", "580.1")
    before, after = meter.read(), meter.read()
    assert before is not None
    assert after is not None
    told = over_time({**before, "at_s": 10.0}, {**after, "at_s": 12.0})
    assert told == {"watts": 250.0, "used_mb": 512.0, "own_mb": 100.0, "sm_mhz": 1500.0}  # 500 J in 2 s
    meter.close()
    assert meter.read() is None


def test_a_gpu_that_counts_no_energy_tells_its_power_now(nvml: ModuleType) -> None:
    nvml.__dict__["nvmlDeviceGetTotalEnergyConsumption"] = refuse
    meter = GpuMeter()
    assert over_time(meter.read(), meter.read())["watts"] == 99.0


def test_without_a_gpu_there_is_a_reason_and_nothing_else(nvml: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.__dict__["nvmlInit"] = refuse
    meter = GpuMeter()
    assert meter.reason == "no NVIDIA GPU can be asked: Not Supported"
    assert over_time(meter.read(), meter.read()) == {}
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert GpuMeter().reason == "nvidia-ml-py is not installed: pip install 'dashmask[gpu]'"
