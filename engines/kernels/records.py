"""What the device says of the instances of a batch, and its way to the host."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.device.base import Device, Stream
from engines.device.held import Held
from engines.kernels.arguments import COUNTS
from engines.kernels.constants import layout


class Records:
    """The same fields on the device (ptrs) and, once downloaded, on the host; together, so that it is one copy.

    Args:
        stream: in which they become noughts: of a download every byte was written, which NVIDIA's initcheck asks for.
    """

    def __init__(self, device: Device, batch: int, max_det: int, stream: Stream) -> None:
        fields: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {
            "counts": (COUNTS, (batch,)),
            "out_boxes": (np.dtype(np.float32), (batch, max_det, 4)),
            "out_scores": (np.dtype(np.float32), (batch, max_det)),
            "out_class_ids": (np.dtype(np.int32), (batch, max_det)),
            "out_crops": (np.dtype(np.int32), (batch, max_det, 4)),
            "offset": (np.dtype(np.int64), (batch, max_det + 1)),
        }
        sizes = [dtype.itemsize * int(np.prod(shape)) for dtype, shape in fields.values()]
        offsets, size = layout(sizes)
        self._device, self._counts_bytes = device, sizes[0]
        self._held = Held(device)
        with self._held.planning():
            self._buffer = self._held.alloc(size)
            self._host = self._held.pinned((size,), np.uint8)
            device.fill(self._buffer, 0, size, stream)
        self.ptrs = {name: self._buffer.ptr + offset for name, offset in zip(fields, offsets, strict=True)}
        self.host: dict[str, NDArray[Any]] = {
            name: self._host[start : start + nbytes].view(dtype).reshape(shape)
            for (name, (dtype, shape)), start, nbytes in zip(fields.items(), offsets, sizes, strict=True)
        }

    def clear(self, stream: Stream) -> None:
        """No candidate yet."""
        self._device.fill(self._buffer, 0, self._counts_bytes, stream)

    def download(self, stream: Stream) -> None:
        """To the host."""
        self._device.download(self._host, self._buffer, stream)

    def free(self) -> None:
        """Give the memory back; legal twice."""
        self._held.free()
