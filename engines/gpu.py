"""Which GPU and driver a plan is built for, asked of libcuda without making a context."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from engines.probe import nvidia_driver

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU, as manifests name it; all empty where there is none."""

    name: str = ""
    compute_capability: str = ""  # such as 9.0
    driver: str = ""  # newest CUDA that the driver runs, such as 13.0


def gpu_here(library: str = "libcuda.so.1", ordinal: int = 0) -> tuple[Gpu, str]:
    """The GPU that is used here, and why there is none (empty where there is one).

    Args:
        library: name or path of libcuda.
        ordinal: which of several.
    """
    driver = nvidia_driver(library)
    if driver.reason:
        return Gpu(), driver.reason
    if ordinal >= len(driver.gpus):
        return Gpu(), f"there is no GPU {ordinal}, the driver has {len(driver.gpus)}"
    cuda = ctypes.CDLL(library)
    device, number = ctypes.c_int(0), ctypes.c_int(0)
    sides = []
    try:
        for attribute in (_MAJOR, _MINOR):
            status = cuda.cuDeviceGet(ctypes.byref(device), ctypes.c_int(ordinal))
            status = status or cuda.cuDeviceGetAttribute(ctypes.byref(number), ctypes.c_int(attribute), device)
            if status:
                return Gpu(), f"the NVIDIA driver does not tell the GPU's compute capability: CUDA error {status}"
            sides.append(str(number.value))
    except AttributeError as error:
        return Gpu(), f"{library} is not NVIDIA's driver: {error}"
    return Gpu(driver.gpus[ordinal], ".".join(sides), driver.version), ""
