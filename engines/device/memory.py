"""What both ways to the driver check before they copy, and how pinned memory becomes an array."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engines.device.base import DeviceBuffer


def bytes_of(array: NDArray[Any]) -> int:
    """The size of an array that is copied; ValueError where it is not contiguous: a defect of ours."""
    if not array.flags.c_contiguous:
        raise ValueError(f"an array {array.shape} {array.dtype} that is not contiguous cannot be copied as it is")
    return array.nbytes


def check_room(buffer: DeviceBuffer, offset: int, nbytes: int) -> None:
    """ValueError where [offset, offset + nbytes) is not inside the buffer: a defect of ours."""
    if offset < 0 or nbytes < 0 or offset + nbytes > buffer.nbytes:
        raise ValueError(f"bytes {offset} to {offset + nbytes} of a buffer of {buffer.nbytes}")


def array_at(address: int, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """An array (shape) dtype over host memory that somebody else owns and keeps for as long."""
    kind = np.dtype(dtype)
    nbytes = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    memory = (ctypes.c_ubyte * nbytes).from_address(address)
    array: NDArray[Any] = np.frombuffer(memoryview(memory), kind).reshape(tuple(shape))
    return array
