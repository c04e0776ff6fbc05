"""The step from frames to a network's input, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.device.base import Device, Stream
from engines.kernels.arguments import LetterboxArgs, Plane
from engines.kernels.constants import Constants
from engines.kernels.launch import Kernels
from engines.kernels.taps import resize_taps
from pipeline.errors import BackendError
from pipeline.image import Image, Matrix, PixelFormat, yuv_to_rgb
from pipeline.letterbox import Letterbox
from pipeline.types import InputSpec


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """How frames of one format and size lie in memory: plane behind plane, row behind row, without gaps."""

    format: PixelFormat
    size_hw: tuple[int, int]
    matrix: Matrix = "bt601"
    full_range: bool = False

    @staticmethod
    def of(image: Image) -> FrameLayout:
        """The layout of a frame; bgra32 is taken as bgr24, see pack."""
        if image.format in ("bgr24", "bgra32"):
            return FrameLayout("bgr24", image.size_hw)
        return FrameLayout(image.format, image.size_hw, image.matrix, image.full_range)

    @property
    def shapes(self) -> Sequence[tuple[int, ...]]:
        """Of the planes."""
        height, width = self.size_hw
        half = (height + 1) // 2, (width + 1) // 2
        if self.format == "bgr24":
            return [(height, width, 3)]
        if self.format == "nv12":
            return [(height, width), (*half, 2)]
        return [(height, width)] + [half if self.format == "yuv420p" else (height, width)] * 2

    @property
    def nbytes(self) -> int:
        """Of one frame."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def pack(self, image: Image, out: NDArray[np.uint8]) -> None:
        """Copy a frame's planes, whose rows may lie apart.

        Args:
            image: of this layout.
            out: (nbytes,)
        """
        copy_planes(image, self, self.views(out))

    def views(self, out: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """The planes inside (nbytes,) of memory."""
        planes, start = [], 0
        for shape in self.shapes:
            size = int(np.prod(shape))
            planes.append(out[start : start + size].reshape(shape))
            start += size
        return planes

    def channels(self, ptr: int) -> list[Plane]:
        """Where the samples of B, G and R, or of Y, U and V, lie in a batch that begins at an address."""
        (height, width), stride = self.size_hw, self.nbytes
        if self.format == "bgr24":
            return [Plane(ptr + channel, stride, 3 * width, 3) for channel in range(3)]
        behind = ptr + height * width
        chroma_h, chroma_w = self.shapes[1][:2]
        luma = Plane(ptr, stride, width, 1)
        if self.format == "nv12":
            return [luma, *(Plane(behind + channel, stride, 2 * chroma_w, 2) for channel in (0, 1))]
        return [luma, *(Plane(behind + i * chroma_h * chroma_w, stride, chroma_w, 1) for i in (0, 1))]


def copy_planes(image: Image, layout: FrameLayout, views: Sequence[NDArray[np.uint8]]) -> None:
    """Copy an image of a layout to where `layout.views` lie."""
    planes = image.planes if image.format == layout.format else (image.bgr(),)
    for view, plane in zip(views, planes, strict=True):
        np.copyto(view, plane)


class Preparing:
    """Frames of one layout to the tensor that one network wants: the same bits as pipeline.preprocess makes.

    Args:
        layout: of the frames.
        letterbox: where the frame lies in the network's input.
        spec: what the network wants.
        stream: for sending the tables; waited for.

    Raises:
        BackendError: std holds a 0.
    """

    def __init__(
        self,
        device: Device,
        kernels: Kernels,
        stream: Stream,
        layout: FrameLayout,
        letterbox: Letterbox,
        spec: InputSpec,
    ) -> None:
        if 0 in spec.std:
            raise BackendError(f"input {spec.name}: std is {spec.std}, expected three numbers other than 0")
        kernels.load("letterbox")
        self._kernels, self._layout = kernels, layout
        self._element_bytes = np.dtype(spec.dtype).itemsize
        (height, width), content_hw = letterbox.network_hw, letterbox.content_hw
        chroma_hw = layout.shapes[-1][:2]
        self._constants = Constants(
            device,
            stream,
            [
                *(resize_taps(layout.size_hw[i], content_hw[i]) for i in (1, 0)),
                *(resize_taps(chroma_hw[i], content_hw[i]) for i in (1, 0)),
                normalisation(spec),
            ],
        )
        across, down, chroma_across, chroma_down, tables = self._constants.ptrs
        pixels = height * width
        self._args = args = LetterboxArgs(
            tables=tables,
            image_stride=3 * pixels,
            channel_stride=pixels if spec.layout == "nchw" else 1,
            row_stride=width if spec.layout == "nchw" else 3 * width,
            pixel_stride=1 if spec.layout == "nchw" else 3,
            network_h=height,
            network_w=width,
            content_h=content_hw[0],
            content_w=content_hw[1],
            top=letterbox.top,
            left=letterbox.left,
            pad=spec.pad,
            rgb=spec.colour == "rgb",
            chroma_half_even=layout.format == "nv12" and chroma_hw == (2 * content_hw[0], 2 * content_hw[1]),
        )
        args.across[:] = (across, chroma_across)
        args.down[:] = (down, chroma_down)
        args.to_bgr[:] = _fixed_point(layout.matrix, layout.full_range)

    def run(self, frames: int, tensor: int, batch: int, stream: Stream) -> None:
        """Start it.

        Args:
            frames: address of the frames, each of layout.nbytes.
            tensor: address of (batch, 3, h, w) or (batch, h, w, 3).
        """
        self._args.planes[:] = self._layout.channels(frames)
        self._args.tensor = tensor
        self._kernels.letterbox(self._args, self._layout.format != "bgr24", self._element_bytes, batch, stream)

    def free(self) -> None:
        """Give the tables back; legal twice."""
        self._constants.free()


def normalisation(spec: InputSpec) -> NDArray[Any]:
    """What each of the 256 pixel values becomes in each channel, (3, 256) of the network's type."""
    mean, std = (np.array(numbers)[:, None] for numbers in (spec.mean, spec.std))
    values: NDArray[Any] = (np.arange(256) * spec.scale - mean) / std
    if spec.dtype == "uint8":
        values = np.clip(np.rint(values), 0, 255)
    return values.astype(spec.dtype)


def _fixed_point(matrix: Matrix, full_range: bool) -> list[int]:
    """From (Y, U, V, 1) to B, G, R in 1/1024, half a level added, as cv2.transform has it for uint8."""
    table = yuv_to_rgb(matrix, full_range)[::-1].copy()
    table[:, 3] += 0.5
    return [int(number) for number in np.rint(table * 1024).ravel()]
