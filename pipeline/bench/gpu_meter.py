"""Memory and power of the GPU while a benchmark runs, asked of NVIDIA's management library (extra `gpu`)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

_MB = 1 << 20


class GpuMeter:
    """Reads the first GPU; where there is none, `reason` says why and nothing else is done. Closed when done."""

    def __init__(self) -> None:
        self.reason = ""
        self.name = self.driver = ""
        self._nvml: Any = None
        try:
            pynvml: Any = import_module("pynvml")
        except ImportError:
            self.reason = "nvidia-ml-py is not installed: pip install 'dashmask[gpu]'"
            return
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            self.reason = f"no NVIDIA GPU can be asked: {error}"
            return
        self._nvml = pynvml
        try:
            self._gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
            self.name = _text(pynvml.nvmlDeviceGetName(self._gpu))
            self.driver = _text(pynvml.nvmlSystemGetDriverVersion())
        except pynvml.NVMLError as error:
            self.close()
            self.reason = f"the NVIDIA GPU cannot be asked: {error}"

    def read(self) -> dict[str, float] | None:
        """Counters now: seconds, joules, megabytes, percent; what this GPU does not tell is left out."""
        nvml = self._nvml
        if nvml is None:
            return None
        asked: dict[str, Callable[[], float | None]] = {
            "joules": lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(self._gpu) / 1e3,
            "watts": lambda: nvml.nvmlDeviceGetPowerUsage(self._gpu) / 1e3,
            "used_mb": lambda: nvml.nvmlDeviceGetMemoryInfo(self._gpu).used / _MB,
            "own_mb": self._own_mb,
            "utilisation_percent": lambda: nvml.nvmlDeviceGetUtilizationRates(self._gpu).gpu,
            "sm_mhz": lambda: nvml.nvmlDeviceGetClockInfo(self._gpu, nvml.NVML_CLOCK_SM),
            "celsius": lambda: nvml.nvmlDeviceGetTemperature(self._gpu, nvml.NVML_TEMPERATURE_GPU),
        }
        figures = {"at_s": time.monotonic()}
        for name, ask in asked.items():
            try:
                value = ask()
            except nvml.NVMLError:
                continue
            if value is not None:
                figures[name] = float(value)
        return figures

    def _own_mb(self) -> float | None:
        """Of this process; None where a container hides which process it is."""
        running = self._nvml.nvmlDeviceGetComputeRunningProcesses(self._gpu)
        own = [process.usedGpuMemory for process in running if process.pid == os.getpid()]
        return own[0] / _MB if own and own[0] is not None else None

    def close(self) -> None:
        """Let go of the library; legal twice."""
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            nvml.nvmlShutdown()


def over_time(before: Mapping[str, float] | None, after: Mapping[str, float] | None) -> dict[str, float]:
    """What a window took: watts on average over its time where the GPU counts energy, else as they are at its end."""
    if before is None or after is None:
        return {}
    figures = {name: value for name, value in after.items() if name not in ("at_s", "joules", "utilisation_percent")}
    wall_s = after["at_s"] - before["at_s"]
    if "joules" in before and "joules" in after and wall_s > 0:
        figures["watts"] = (after["joules"] - before["joules"]) / wall_s
    return {name: round(value, 2) for name, value in figures.items()}


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
