"""The steps from YOLO-seg's outputs to instances with masks, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engines.device.base import Device, Stream
from engines.device.held import Held
from engines.frame_task import DetectRules
from engines.kernels.arguments import (
    MOST_KEPT,
    CandidatesArgs,
    FinishArgs,
    MaskArgs,
    NmsArgs,
    PlaceArgs,
    RankArgs,
    fill,
)
from engines.kernels.constants import Constants, layout
from engines.kernels.launch import Kernels
from engines.kernels.records import Records
from engines.kernels.taps import mask_taps
from pipeline.errors import BackendError
from pipeline.letterbox import Letterbox
from pipeline.types import Classes, Instances

MAX_CANDIDATES = 30_000  # the best go into suppression, as pipeline.postprocess.nms has it
FRAMES_OF_MASKS = 4  # room for masks at first, in areas of a frame; 119 objects of a street filled two and a half


class MasksOverflowError(Exception):
    """A frame's masks need more room than was planned; nothing of it was lost: plan anew with `frames_of_masks`."""

    def __init__(self, frames_of_masks: int) -> None:
        super().__init__(f"masks need room for {frames_of_masks} frames")
        self.frames_of_masks = frames_of_masks


class Detecting:
    """Outputs of one shape to instances: what pipeline.postprocess.yolo_seg says of them, in the same order.

    Nothing waits for the host between the kernels: all of it can be recorded in a graph. What comes out lies in host
    memory that the device writes to by itself.

    Args:
        rows_shape: (n, 4 + classes + k, anchors), n the largest batch.
        prototypes_shape: (n, k, h, w).
        dtype: of both, float32 or float16.
        letterbox: of the frames.
        chosen: (classes,) bool, which are asked for.
        rules: thresholds and limits.
        stream: for sending the tables; waited for.
        frames_of_masks: room for the masks of an image, in areas of a frame.

    Raises:
        BackendError: shapes, a type or limits that are not served here; the CPU may do it.
    """

    def __init__(
        self,
        device: Device,
        kernels: Kernels,
        stream: Stream,
        rows_shape: Sequence[int],
        prototypes_shape: Sequence[int],
        dtype: DTypeLike,
        letterbox: Letterbox,
        chosen: NDArray[np.bool_],
        rules: DetectRules,
        frames_of_masks: int = FRAMES_OF_MASKS,
    ) -> None:
        _check(rows_shape, prototypes_shape, np.dtype(dtype), len(chosen), rules)
        for source in ("detections", "instances", "masks"):
            kernels.load(source)
        (batch, height, anchors), (_, k, grid_h, grid_w) = rows_shape, prototypes_shape
        self._kernels, self._held = kernels, Held(device)
        self._half = np.dtype(dtype) == np.float16
        self._frame_area, self._grid_area = letterbox.frame_hw[0] * letterbox.frame_hw[1], grid_h * grid_w
        self._frames_of_masks = frames_of_masks
        max_det, most = rules.max_det, min(anchors, MAX_CANDIDATES)
        mask_room = -(-frames_of_masks * self._frame_area // 256) * 256
        # Windows of cells reach up to three cells further than their crops: where the masks fit, so do their cells.
        cells_room = frames_of_masks * self._grid_area + max_det * 4 * (grid_h + grid_w + 4)
        down, across, three = mask_taps(letterbox, (grid_h, grid_w))
        sizes = {
            "keys": anchors * 8,
            "class_ids": anchors * 4,
            "boxes": most * 16,
            "scores": most * 4,
            "anchor_of": most * 4,
            "class_of": most * 4,
            "kept": max_det * 4,
            "frame_boxes": max_det * 16,
            "crops": max_det * 16,
            "windows": max_det * 16,
            "coefficients": max_det * k * 4,
            "cell_offset": (max_det + 1) * 8,
            "mask_offset": (max_det + 1) * 8,
            "shown": max_det * 4,
            "source": max_det * 4,
            "logits": cells_room * 4,
        }
        offsets, size = layout([nbytes * batch for nbytes in sizes.values()])
        with self._held.planning():
            constants = self._held.own(Constants(device, stream, [chosen.astype(np.uint8), down, across]))
            self._records = self._held.own(Records(device, batch, max_det, stream))
            self._arena = self._held.pinned((batch, mask_room), np.uint8)
            scratch = self._held.alloc(size)
        (scale_x, scale_y), (frame_h, frame_w) = letterbox.scale_xy, letterbox.frame_hw
        values = {name: scratch.ptr + offset for name, offset in zip(sizes, offsets, strict=True)}
        values |= self._records.ptrs | dict(zip(("chosen", "down", "across"), constants.ptrs, strict=True))
        values |= {
            "arena": self._arena.ctypes.data,
            "cells_room": cells_room,
            "mask_room": mask_room,
            "anchors": anchors,
            "height": height,
            "classes": len(chosen),
            "k": k,
            "most": most,
            "max_det": max_det,
            "agnostic": rules.agnostic,
            "grid_h": grid_h,
            "grid_w": grid_w,
            "frame_h": frame_h,
            "frame_w": frame_w,
            "three": three,
            "half": self._half,
        }
        thresholds = {"conf": rules.conf, "limit": at_most(rules.iou)}
        place = {"left": letterbox.left, "top": letterbox.top, "scale_x": scale_x, "scale_y": scale_y}
        self._candidates = fill(CandidatesArgs, values | thresholds)
        self._rank = fill(RankArgs, values)
        self._nms = fill(NmsArgs, values | thresholds)
        self._place = fill(PlaceArgs, values | place)
        self._mask = fill(MaskArgs, values)
        self._finish = fill(FinishArgs, values)

    def run(self, rows: int, prototypes: int, batch: int, stream: Stream) -> None:
        """Start it.

        Args:
            rows, prototypes: addresses of the network's outputs.
        """
        kernels = self._kernels
        self._candidates.rows = self._rank.rows = self._place.rows = rows
        self._mask.prototypes = prototypes
        self._records.clear(stream)
        kernels.candidates(self._candidates, self._half, batch, stream)
        kernels.rank(self._rank, self._half, batch, stream)
        kernels.nms(self._nms, batch, stream)
        kernels.place(self._place, batch, stream)
        kernels.mask_logits(self._mask, self._half, batch, stream)
        kernels.mask_find(self._mask, batch, stream)
        kernels.finish(self._finish, batch, stream)
        kernels.mask_write(self._mask, batch, stream)

    def download(self, stream: Stream) -> None:
        """Copy what is known of the instances to the host; their masks are there already."""
        self._records.download(stream)

    def instances(self, image: int, classes: Classes) -> Instances:
        """The objects in one image of the batch, once the stream is past `download`; new memory.

        Raises:
            MasksOverflowError: the masks did not fit.
        """
        found = self._records.host
        counts = found["counts"][image]
        if counts["overflow"]:
            frames = counts["mask_bytes"] / self._frame_area, counts["cells"] / self._grid_area
            raise MasksOverflowError(max(2 * self._frames_of_masks, int(max(frames)) + 1))
        count = int(counts["instances"])
        offset = found["offset"][image, : count + 1].copy()
        return Instances(
            boxes_xyxy=found["out_boxes"][image, :count].copy(),
            scores=found["out_scores"][image, :count].copy(),
            class_ids=found["out_class_ids"][image, :count].copy(),
            crops_px=found["out_crops"][image, :count].copy(),
            arena=self._arena[image, : offset[-1]].copy(),
            offset=offset,
            classes=classes,
        )

    def free(self) -> None:
        """Give the memory back; legal twice."""
        self._held.free()


def at_most(value: float) -> float:
    """The largest float32 that is not above a number, so that x > value says the same of a float32 x."""
    near = np.float32(value)
    return float(np.nextafter(near, np.float32(-np.inf)) if float(near) > value else near)


def _check(
    rows: Sequence[int], prototypes: Sequence[int], dtype: np.dtype[Any], classes: int, rules: DetectRules
) -> None:
    if len(rows) != 3 or len(prototypes) != 4 or rows[1] != 4 + classes + prototypes[1]:
        raise BackendError(
            f"outputs {tuple(rows)} and {tuple(prototypes)} for {classes} classes are not read on the GPU",
            hint="YOLOv8-seg and 11-seg without suppression inside are",
        )
    if dtype not in (np.float32, np.float16):
        raise BackendError(f"outputs of {dtype} are not read on the GPU, only float32 and float16")
    if not 1 <= rules.max_det <= MOST_KEPT:
        raise BackendError(f"at most {rules.max_det} objects: on the GPU it is 1 to {MOST_KEPT}")
