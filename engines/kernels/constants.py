"""Tables that are sent to the device once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.device.base import Device, Stream
from engines.device.held import Held

_ALIGN = 256  # bytes


class Constants:
    """Arrays on the device, one behind the other in one buffer.

    Args:
        arrays: copied; `stream` has been waited for when this returns.
    """

    def __init__(self, device: Device, stream: Stream, arrays: Sequence[NDArray[Any]]) -> None:
        offsets, size = layout([array.nbytes for array in arrays])
        packed = np.zeros(size, np.uint8)
        for array, offset in zip(arrays, offsets, strict=True):
            packed[offset : offset + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self._held = Held(device)
        with self._held.planning():
            buffer = self._held.alloc(size)
            device.upload(buffer, packed, stream)
            stream.synchronize()
        self.ptrs = [buffer.ptr + offset for offset in offsets]  # of each array

    def free(self) -> None:
        """Give the memory back; legal twice."""
        self._held.free()


def layout(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Offsets of parts of so many bytes in one piece of memory, each aligned to 256, and its size; at least 1."""
    offsets, size = [], 0
    for nbytes in sizes:
        offsets.append(size)
        size += -(-nbytes // _ALIGN) * _ALIGN
    return offsets, max(size, 1)
