"""The step from a semantic network's output to one class per pixel of the frame, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engines.device.base import Device, Stream
from engines.device.held import Held
from engines.kernels.arguments import ArgmaxArgs, SpreadArgs
from engines.kernels.constants import Constants
from engines.kernels.launch import Kernels
from pipeline.errors import BackendError
from pipeline.letterbox import Letterbox
from pipeline.types import VOID

_KINDS = {"uint8": "u8", "bool": "u8", "int32": "i32", "int64": "i64", "float32": "f32", "float16": "f16"}


class Labelling:
    """Outputs of one shape to labels at frame size: what pipeline.postprocess.semantic says of them.

    Args:
        shape, dtype: of the output, with the batch first: logits (n, c, h, w) or (n, h, w, c), labels or binary
            logits (n, h, w), (n, 1, h, w) or (n, h, w, 1).
        letterbox: of the frames.
        chosen: (classes,) bool, which are asked for; the others become VOID.
        probability: a binary output is one, see pipeline.types.OutputSpec.
        stream: for sending the tables; waited for.

    Raises:
        BackendError: a shape or type that is not read here; the CPU may know it.
    """

    def __init__(
        self,
        device: Device,
        kernels: Kernels,
        stream: Stream,
        shape: Sequence[int],
        dtype: DTypeLike,
        letterbox: Letterbox,
        chosen: NDArray[np.bool_],
        probability: bool = False,
    ) -> None:
        kernels.load("labels")
        self._kernels = kernels
        self._kind = np.dtype(dtype).name
        classes = len(chosen)
        axis = _class_axis(shape, classes)
        grid = _grid(shape, axis)
        floats = self._kind.startswith("float")
        fits = classes <= VOID and (floats if axis else not floats or classes <= 2)
        if grid is None or self._kind not in _KINDS or not fits:
            raise BackendError(f"an output {tuple(shape)} {self._kind} for {classes} classes is not read on the GPU")
        height, width = grid
        table = np.full(256, VOID, np.uint8)
        table[:classes] = np.where(chosen, np.arange(classes), VOID)
        rows, columns = letterbox.cells((height, width))
        tables: list[NDArray[Any]] = [rows.astype(np.int32), columns.astype(np.int32), table]
        self._held, self._labels = Held(device), 0
        with self._held.planning():
            row_ptr, column_ptr, table_ptr = self._held.own(Constants(device, stream, tables)).ptrs
            if axis is not None:
                self._labels = self._held.alloc(shape[0] * height * width).ptr
        self._argmax: ArgmaxArgs | None = None
        if axis is not None:
            last = axis == 3
            self._argmax = ArgmaxArgs(
                image_stride=classes * height * width,
                class_stride=1 if last else height * width,
                row_stride=classes * width if last else width,
                pixel_stride=classes if last else 1,
                labels=self._labels,
                height=height,
                width=width,
                classes=classes,
            )
        self._spread = SpreadArgs(
            rows=row_ptr,
            columns=column_ptr,
            table=table_ptr,
            cells_h=height,
            cells_w=width,
            frame_h=letterbox.frame_hw[0],
            frame_w=letterbox.frame_hw[1],
            above=1 if classes == 2 else 0,
            below=0 if classes == 2 else VOID,
            limit=0.5 if probability else 0.0,
        )

    def run(self, output: int, label_map: int, batch: int, stream: Stream) -> None:
        """Start it.

        Args:
            output: address of the network's output.
            label_map: address of (batch, frame height, frame width) uint8.
        """
        kind, cells = _KINDS[self._kind], output
        if self._argmax is not None:
            self._argmax.logits = output
            self._kernels.argmax(self._argmax, self._kind == "float16", batch, stream)
            kind, cells = "u8", self._labels
        self._spread.cells = cells
        self._spread.map = label_map
        self._kernels.spread(self._spread, kind, batch, stream)

    def free(self) -> None:
        """Give the memory back; legal twice."""
        self._held.free()


def _class_axis(shape: Sequence[int], classes: int) -> int | None:
    """The axis of the classes' logits; None where the output has one number per cell."""
    axes = [axis for axis in (1, 3) if len(shape) == 4 and classes > 1 and shape[axis] == classes]
    return axes[0] if axes else None


def _grid(shape: Sequence[int], class_axis: int | None) -> tuple[int, int] | None:
    """Rows and columns of cells; None where the shape is no grid."""
    if len(shape) == 3:
        return shape[1], shape[2]
    if class_axis is None and len(shape) == 4:
        class_axis = 1 if shape[1] == 1 else 3 if shape[3] == 1 else None
    if class_axis is None:
        return None
    height, width = (shape[axis] for axis in (1, 2, 3) if axis != class_axis)
    return height, width
