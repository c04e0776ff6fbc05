"""From a frame to a network's input: placed, resized, in the right colours, normalised, in a pooled buffer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelError
from pipeline.image import Image, Matrix, yuv_to_rgb
from pipeline.letterbox import Letterbox
from pipeline.placement import network_size, place
from pipeline.types import Frame, InputSpec, Prepared

POOLED_SHAPES = 4  # tensor shapes whose buffers are kept; a folder of pictures may have dozens


@dataclass(slots=True)
class TensorBuffer:
    """A network input that is used again and again: what lies around the picture is filled once."""

    tensor: NDArray[Any]
    padded_for: Letterbox | None = None  # the placement whose padding is in the tensor

    def poison(self) -> None:
        """Spoil what is in it, so that a test notices who reads it after giving it back."""
        self.tensor.fill(np.nan if self.tensor.dtype.kind == "f" else 255)
        self.padded_for = None


class Buffer(Protocol):
    """A buffer lent by a pool."""

    @property
    def value(self) -> TensorBuffer: ...

    def release(self) -> None: ...


class Buffers(Protocol):
    """What lends buffers; pipeline.flow.Pool does."""

    def acquire(self) -> Buffer: ...


class Preprocessor:
    """Makes frames into tensors as one network wants them. One thread uses it at a time.

    YUV frames are resized plane by plane and converted at the network's size, which is a quarter of the work. Against
    converting first that changes a tensor by half a level of 255 on average (a whole one where a side is odd, as the
    last sample of chroma then reaches half a sample beyond the picture).

    Args:
        spec: what the network wants.
        pool: makes a pool of buffers from the function that makes one buffer.

    Raises:
        ModelError: a standard deviation of 0.
    """

    def __init__(self, spec: InputSpec, pool: Callable[[Callable[[], TensorBuffer]], Buffers]) -> None:
        if 0 in spec.std:
            raise ModelError(f"input {spec.name}: std is {spec.std}, expected three numbers other than 0")
        self._spec = spec
        self._pool = pool
        self._pools: OrderedDict[tuple[int, int], Buffers] = OrderedDict()
        self._tables = _tables(spec)
        self._packed_table = np.ascontiguousarray(self._tables.T[None])
        self._divisor = _divisor(spec, self._tables)
        self._to_bgr: dict[tuple[Matrix, bool], NDArray[np.float64]] = {}
        self._letterbox: Letterbox | None = None
        # Scratch at the size of the picture in the network's input.
        self._packed = self._yuv = self._chroma = np.empty((0, 0, 3), np.uint8)
        self._planes = np.empty((3, 0, 0), np.uint8)

    def another(self) -> Preprocessor:
        """One like this, for another thread or other frames."""
        return Preprocessor(self._spec, self._pool)

    def prepare(self, frame: Frame) -> Prepared:
        """Make one frame into a tensor; its buffer is on loan until Prepared.lease is released."""
        letterbox = self._place(frame.image.size_hw)
        lease = self._buffers(letterbox.network_hw).acquire()
        buffer = lease.value
        if buffer.padded_for != letterbox:
            self._pad(buffer, letterbox)
        bgr = self._resized(frame.image, letterbox.content_hw)
        target = _content(buffer.tensor, self._spec.layout, letterbox)
        if self._spec.layout == "nchw":
            # Handed over in the order of the channels, so that the scratch holds them as the tensor does.
            planes = self._planes
            cv2.split(bgr, list(planes[::-1] if self._spec.colour == "rgb" else planes))
            if self._divisor is None:
                for plane, table, channel in zip(planes, self._tables, target, strict=True):
                    cv2.LUT(plane, table, dst=channel)
        else:
            picture = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=self._yuv) if self._spec.colour == "rgb" else bgr
            planes = np.asarray(picture, np.uint8)
            if self._divisor is None:
                cv2.LUT(picture, self._packed_table, dst=target)
        if self._divisor == 1:
            np.copyto(target, planes)
        elif self._divisor is not None:
            np.divide(planes, self._divisor, out=target)
        return Prepared(frame, buffer.tensor, letterbox, lease)

    def place(self, frame_hw: tuple[int, int]) -> Letterbox:
        """Where frames of a height and width lie in the network's input."""
        return place(frame_hw, network_size(frame_hw, self._spec), self._spec.fit)

    @property
    def network_sizes(self) -> list[tuple[int, int]]:
        """Heights and widths of the tensors made of late, pixels."""
        return sorted(self._pools)

    def _place(self, frame_hw: tuple[int, int]) -> Letterbox:
        if self._letterbox is None or self._letterbox.frame_hw != frame_hw:
            self._letterbox = self.place(frame_hw)
            content_hw = self._letterbox.content_hw
            self._packed, self._yuv = (np.empty((*content_hw, 3), np.uint8) for _ in range(2))
            self._chroma = np.empty((*content_hw, 2), np.uint8)
            self._planes = np.empty((3, *content_hw), np.uint8)
        return self._letterbox

    def _buffers(self, network_hw: tuple[int, int]) -> Buffers:
        if network_hw not in self._pools:
            shape = self._spec.shape(network_hw)
            self._pools[network_hw] = self._pool(lambda: TensorBuffer(np.empty(shape, self._spec.dtype)))
            if len(self._pools) > POOLED_SHAPES:
                self._pools.popitem(last=False)  # buffers still on loan go when their last user lets go
        self._pools.move_to_end(network_hw)
        return self._pools[network_hw]

    def _pad(self, buffer: TensorBuffer, letterbox: Letterbox) -> None:
        channels = buffer.tensor[0] if self._spec.layout == "nchw" else buffer.tensor[0].transpose(2, 0, 1)
        padding = self._tables[:, self._spec.pad].view(self._spec.dtype)
        for channel, value in zip(channels, padding, strict=True):
            channel.fill(value)
        buffer.padded_for = letterbox

    def _resized(self, image: Image, content_hw: tuple[int, int]) -> NDArray[np.uint8]:
        """The picture as (h, w, 3) BGR at the size it has in the network's input; scratch or the image itself."""
        if image.format not in ("yuv420p", "yuv444p", "nv12"):
            return _resize(image.bgr(), content_hw, self._packed)
        scratch = [self._planes[0], self._chroma] if image.format == "nv12" else list(self._planes)
        planes = [_resize(plane, content_hw, out) for plane, out in zip(image.planes, scratch, strict=True)]
        cv2.merge(planes, dst=self._yuv)
        colour = image.matrix, image.full_range
        if colour not in self._to_bgr:
            self._to_bgr[colour] = np.ascontiguousarray(yuv_to_rgb(*colour)[::-1])
        cv2.transform(self._yuv, self._to_bgr[colour], dst=self._packed)
        return self._packed


def _resize(plane: NDArray[np.uint8], size_hw: tuple[int, int], out: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bilinear by pixel centres, into `out`; the plane itself where it has that size."""
    if plane.shape[:2] == size_hw:
        return plane
    cv2.resize(plane, size_hw[::-1], dst=out, interpolation=cv2.INTER_LINEAR)
    return out


def _tables(spec: InputSpec) -> NDArray[Any]:
    """What each of the 256 pixel values becomes in each channel, (3, 256); float16 as int16 of the same bits.

    A table is as fast as a multiplication, rounds once, and knows every mean, std and dtype.
    """
    mean, std = (np.array(numbers)[:, None] for numbers in (spec.mean, spec.std))
    values: NDArray[Any] = (np.arange(256) * spec.scale - mean) / std
    if spec.dtype == "uint8":
        values = np.clip(np.rint(values), 0, 255)
    return _as_cv2(values.astype(spec.dtype))


def _divisor(spec: InputSpec, tables: NDArray[Any]) -> np.float32 | None:
    """What pixels are divided by where that gives the very numbers of the tables, in two thirds of their time."""
    if spec.dtype != "float32" or not spec.scale:
        return None
    divisor = np.float32(1 / spec.scale)
    same = np.array_equal(tables, np.broadcast_to(np.arange(256, dtype=np.uint8) / divisor, tables.shape))
    return divisor if same else None


def _as_cv2(array: NDArray[Any]) -> NDArray[Any]:
    """The same memory in a type that cv2.LUT takes."""
    if array.dtype == np.float16:
        bits: NDArray[Any] = array.view(np.int16)
        return bits
    return array


def _content(tensor: NDArray[Any], layout: str, letterbox: Letterbox) -> NDArray[Any]:
    """The part of a tensor where the picture goes: (3, h, w) of nchw, (h, w, 3) of nhwc."""
    height, width = letterbox.content_hw
    rows = slice(letterbox.top, letterbox.top + height)
    columns = slice(letterbox.left, letterbox.left + width)
    return _as_cv2(tensor[0, :, rows, columns] if layout == "nchw" else tensor[0, rows, columns])
