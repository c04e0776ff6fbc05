"""The CUDA device: `base` says what it can do, `open_device` opens it by way of cuda-python or pycuda."""

from __future__ import annotations

import os
from typing import Literal, get_args

from engines.device.base import Device
from engines.probe import installed, nvidia_driver
from pipeline.errors import BackendError

Api = Literal["cuda-python", "pycuda"]


def open_device(ordinal: int = 0, prefer: Api | None = None) -> Device:
    """Open a GPU. No context is current afterwards: see `Device.current`.

    Args:
        ordinal: its number, from 0, as the driver counts.
        prefer: which package to use; None: what the environment variable DASHMASK_CUDA_API says, else cuda-python,
            or pycuda where only that is installed.

    Raises:
        BackendError: no driver, no such GPU, or neither package is installed.
    """
    asked = prefer or os.environ.get("DASHMASK_CUDA_API", "")
    if asked not in ("", *get_args(Api)):
        raise BackendError(f"DASHMASK_CUDA_API is {asked}", hint=f"known are {', '.join(get_args(Api))}")
    if reason := nvidia_driver().reason:
        raise BackendError(reason)
    if asked == "pycuda" or (not asked and not installed("cuda.bindings") and installed("pycuda.driver")):
        from engines.device.pycuda import open_pycuda

        return open_pycuda(ordinal)
    from engines.device.cuda_python import open_cuda_python

    return open_cuda_python(ordinal)
