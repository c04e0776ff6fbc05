"""The same tests on a real GPU: its device with what tests need beside the contract of engines.device.base.Device.

Chosen by DASHMASK_KERNELS_ON=gpu. The device is opened once in a process; what a test allocates dies with the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engines.device import open_device
from engines.device.base import Device, DeviceBuffer, Stream


@cache
def _opened() -> tuple[Device, Stream, object]:
    device = open_device()
    current = device.current()
    current.__enter__()  # for as long as the process lives, and somebody holds it
    return device, device.stream(), current


class GpuDevice:
    """One stream, and buffers that are freed together."""

    def __init__(self) -> None:
        self._device, self._stream, _ = _opened()
        self._buffers: list[DeviceBuffer] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def stream(self) -> Stream:
        return self._stream

    def alloc(self, nbytes: int) -> DeviceBuffer:
        self._buffers.append(self._device.alloc(nbytes))
        return self._buffers[-1]

    def put(self, array: NDArray[Any]) -> DeviceBuffer:
        """A buffer with an array in it."""
        buffer = self.alloc(max(array.nbytes, 1))
        if array.nbytes:
            self._device.upload(buffer, np.ascontiguousarray(array), self._stream)
        return buffer

    def get(self, buffer: DeviceBuffer, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """What a buffer begins with."""
        out = np.empty(tuple(shape), dtype)
        if out.nbytes:
            self._device.download(out, buffer, self._stream)
        self._stream.synchronize()
        return out

    def close(self) -> None:
        self._stream.synchronize()
        for buffer in self._buffers:
            buffer.free()
