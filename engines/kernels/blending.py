"""The step that puts the colours of labels over a picture, on the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engines.device.base import Device, Stream
from engines.kernels.arguments import BlendArgs
from engines.kernels.constants import Constants
from engines.kernels.launch import Kernels
from engines.kernels.preparing import FrameLayout
from pipeline.errors import BackendError


class Blending:
    """Colours over frames of one layout: out = picture * (1 - alpha) + colour * alpha, in the picture's own planes.

    Pixels whose label is no class stay as they are; a plane of half the size takes the label of the pixel at even x
    and y. Equal to pipeline.render's label painter on the same planes.

    Args:
        layout: of the frames: bgr24, yuv444p, or yuv420p of even size.
        colours: (classes, 3) uint8 in the order of the planes: B, G, R or Y, U, V.
        alpha: weight of the colours, 0..1.
        stream: for sending the tables; waited for.

    Raises:
        BackendError: another format.
    """

    def __init__(
        self,
        device: Device,
        kernels: Kernels,
        stream: Stream,
        layout: FrameLayout,
        colours: NDArray[np.uint8] | Sequence[Sequence[int]],
        alpha: float,
    ) -> None:
        (height, width), halved = layout.size_hw, layout.format == "yuv420p"
        if layout.format not in ("bgr24", "yuv444p", "yuv420p") or (halved and (height % 2 or width % 2)):
            raise BackendError(f"{layout.format} of {width}x{height} is not drawn on, on the GPU")
        kernels.load("labels")
        self._kernels = kernels
        kept, added = blend_tables(np.asarray(colours, np.uint8), alpha)
        self._constants = Constants(device, stream, [kept, added])
        kept_ptr, added_ptr = self._constants.ptrs
        self._parts: list[tuple[int, BlendArgs]] = []  # each with where its plane begins in a frame
        start, packed = 0, layout.format == "bgr24"
        for number, shape in enumerate(layout.shapes):
            pitch = int(np.prod(shape[1:]))
            args = BlendArgs(
                kept=kept_ptr,
                added=added_ptr + 256 * number,
                under_stride=layout.nbytes,
                out_stride=layout.nbytes,
                under_pitch=pitch,
                out_pitch=pitch,
                height=shape[0],
                width=shape[1],
                channels=3 if packed else 1,
                labels_h=height,
                labels_w=width,
                halved=halved and number > 0,
                known=len(colours),
            )
            self._parts.append((start, args))
            start += shape[0] * pitch

    def run(self, frames: int, label_map: int, out: int, batch: int, stream: Stream) -> None:
        """Start it.

        Args:
            frames: address of the frames, each of layout.nbytes.
            label_map: address of (batch, h, w) uint8.
            out: address of what is drawn, laid out as the frames; may be the frames.
        """
        for start, args in self._parts:
            args.under, args.out, args.labels = frames + start, out + start, label_map
            self._kernels.blend(args, batch, stream)

    def free(self) -> None:
        """Give the tables back; legal twice."""
        self._constants.free()


def blend_tables(colours: NDArray[np.uint8], alpha: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What is left of each value of the picture, (256,), and what each label adds, (channels, 256)."""
    values = np.arange(256)
    if alpha == 0.5:
        kept = (values >> 1).astype(np.uint8)  # as the CPU does it, which is not rounded
    else:
        kept = np.rint(values.astype(np.float32) * np.float32(1 - alpha)).astype(np.uint8)
    added = np.zeros((colours.shape[1], 256), np.uint8)
    added[:, : len(colours)] = np.rint(colours.T * alpha)
    return kept, added
