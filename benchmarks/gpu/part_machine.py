"""What this machine is: GPU, driver, versions."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata

from report import Report, run

PACKAGES = (
    *("torch", "cupy-cuda13x", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "tensorrt-rtx-cu13-libs"),
    *("cuda-bindings", "nvidia-cuda-nvrtc", "nvidia-cudnn-cu13", "msgspec", "av", "opencv-python-headless", "pytest"),
)
QUERY = "name,driver_version,memory.total,memory.used,clocks.sm,clocks.max.sm,power.limit,pcie.link.gen.current"


def main(report: Report) -> None:
    report.fact("python", sys.version.split()[0])
    report.fact("platform", platform.platform())
    report.fact("cores", len(os.sched_getaffinity(0)))
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not here"
    report.fact("packages", versions)
    try:
        words = ("nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader")
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
        report.fact("nvidia_smi", done.stdout.strip() or done.stderr.strip())
    except (OSError, subprocess.TimeoutExpired) as error:
        report.fact("nvidia_smi", f"not run: {error}")
    from engines.gpu import gpu_here

    gpu, reason = gpu_here()
    report.fact("gpu", gpu.name)
    report.fact("compute_capability", gpu.compute_capability)
    report.fact("cuda_driver", gpu.driver)
    report.fact("no_gpu", reason)
    if reason or report.dry:
        return
    report.tried(_nvrtc, what="NVRTC")
    report.tried(_device, what="device")


def _nvrtc() -> dict[str, object]:
    from cuda.bindings import nvrtc

    return {"version": ".".join(str(number) for number in nvrtc.nvrtcVersion()[1:])}


def _device() -> dict[str, object]:
    from engines.device import open_device

    device = open_device()
    try:
        with device.current():
            free = device.memory_free()
    finally:
        device.close()
    return {"api": device.api, "memory_total_mib": device.memory_total >> 20, "memory_free_mib": free >> 20}


if __name__ == "__main__":
    run("machine", main)
