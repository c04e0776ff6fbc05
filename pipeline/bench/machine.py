"""The machine and the versions that a figure belongs to."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engines.gpu import gpu_here
from engines.machine import available_cores, cpu_name
from pipeline import __version__

PACKAGES = (
    "av",
    "cuda-bindings",
    "cuda-python",
    "msgspec",
    "numpy",
    "nvidia-ml-py",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "opencv-python",
    "opencv-python-headless",
    "openvino",
    "tensorrt",
    "tensorrt-rtx",
)
SAME = ("cpu", "cores", "gpu")  # figures of two machines that differ in one of these are not compared


def machine() -> dict[str, Any]:
    """The machine that figures are measured on, for JSON; `memory_mb` in megabytes of 2^20 bytes."""
    gpu, reason = gpu_here()
    governor = _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))
    return {
        "cpu": cpu_name(),
        "cores": available_cores(),
        "cpus": os.cpu_count(),
        "governor": governor or "not readable",
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20),
        "gpu": gpu.name or None,
        "gpu_driver": gpu.driver or None,
        "no_gpu": reason or None,
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Of dashmask, Python, and of each package that takes part in a run, as far as it is installed."""
    found = {"dashmask": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    try:
        from av import library_versions
    except ImportError:
        return found
    return found | {f"ffmpeg {name}": ".".join(map(str, numbers)) for name, numbers in library_versions.items()}


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
