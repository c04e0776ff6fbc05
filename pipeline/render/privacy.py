"""Make classes unrecognisable: what was there is averaged over large blocks and lost."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.render.canvas import Box, Canvas
from pipeline.types import Instances, Labels, Scene

U8 = NDArray[np.uint8]

_BLOCKS = 8  # blocks along the longer side of an object: a face has about one
_LEAST_720_PX = 12  # least side of a block in a picture 720 high
_LEAST_PX = 6  # and in any picture
_MARGIN_720_PX = 4  # least margin around a mask in a picture 720 high
_MARGIN = 0.05  # of the longer side: masks end a little inside what they show
_COARSE_PX = 8  # regions of a class are found on a grid of such cells


def blur_classes(canvas: Canvas, scene: Scene, names: Collection[str]) -> None:
    """Blur all instances and all labelled pixels of some classes, with a margin around them.

    Inside the widened mask every pixel becomes a mix of the averages over blocks of an eighth of the object's
    longer side (of a labelled region's shorter side), never less than 12 px in a picture of 720 lines. Pixels
    outside stay as they are.

    What no model found stays visible: for a promise of privacy, look at the result.
    """
    if scene.labels is not None:
        _blur_labels(canvas, scene.labels, names)
    if scene.instances is not None:
        _blur_instances(canvas, scene.instances, names)


def margin_px(object_px: int, frame_hw: tuple[int, int]) -> int:
    """How far the blur reaches over the mask of an object of that size."""
    return max(1, round(_MARGIN_720_PX * min(frame_hw) / 720), round(_MARGIN * object_px))


def _blur_instances(canvas: Canvas, found: Instances, names: Collection[str]) -> None:
    for i, class_id in enumerate(found.class_ids.tolist()):
        if found.classes.names[class_id] not in names:
            continue
        mask = found.mask(i)
        x0, y0, x1, y1 = found.crops_px[i].tolist()
        if not mask.any():  # an object without a mask is blurred in its whole box
            left, top, right, bottom = found.boxes_xyxy[i].tolist()
            x0, y0, x1, y1 = _grown(
                (math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)), 0, canvas.size_hw
            )
            mask = np.full((max(0, y1 - y0), max(0, x1 - x0)), 255, np.uint8)
        if not mask.size:
            continue
        object_px = max(x1 - x0, y1 - y0)
        reach = margin_px(object_px, canvas.size_hw)
        box = _grown((x0, y0, x1, y1), reach, canvas.size_hw)
        borders = (y0 - box[1], box[3] - y1, x0 - box[0], box[2] - x1)
        padded = cv2.copyMakeBorder(mask, *borders, cv2.BORDER_CONSTANT, value=0)
        _blur(canvas, box, np.asarray(padded, np.uint8), object_px, reach)


def _blur_labels(canvas: Canvas, labels: Labels, names: Collection[str]) -> None:
    height, width = canvas.size_hw
    cells_wh = (-(-width // _COARSE_PX), -(-height // _COARSE_PX))
    across_px, down_px = width / cells_wh[0], height / cells_wh[1]
    for class_id, name in enumerate(labels.classes.names):
        if name not in names:
            continue
        mask = np.multiply(labels.map == class_id, 255, dtype=np.uint8)
        # Each connected region is an object of its own; a coarse grid joins what lies close together.
        coarse = cv2.resize(mask, cells_wh, interpolation=cv2.INTER_AREA)
        count, _, stats, _ = cv2.connectedComponentsWithStats(_any(coarse))
        for left, top, across, down, _ in stats[1:count].tolist():
            x0, y0 = int(left * across_px), int(top * down_px)
            x1, y1 = math.ceil((left + across) * across_px), math.ceil((top + down) * down_px)
            # Several objects side by side may be one region: the shorter side is nearer to one object's size.
            object_px = min(x1 - x0, y1 - y0)
            reach = margin_px(object_px, canvas.size_hw)
            box = _grown((x0, y0, x1, y1), reach, canvas.size_hw)
            _blur(canvas, box, mask[box[1] : box[3], box[0] : box[2]], object_px, reach)


def _grown(box: Box, reach_px: int, frame_hw: tuple[int, int]) -> Box:
    """A box wider by so much on each side, with even edges, inside the frame."""
    x0, y0, x1, y1 = box
    height, width = frame_hw
    left, top = max(0, x0 - reach_px) & ~1, max(0, y0 - reach_px) & ~1
    return left, top, min(width, (x1 + reach_px + 1) & ~1), min(height, (y1 + reach_px + 1) & ~1)


def _blur(canvas: Canvas, box: Box, mask: U8, object_px: int, reach_px: int) -> None:
    """Blur inside a mask of the size of the box (0 or 255), widened by reach_px."""
    x0, y0, x1, y1 = box
    # The saturated sum over a square is the dilation by it, at a cost that does not grow with the square.
    side = 2 * reach_px + 1
    where = cv2.boxFilter(mask, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    halved = False
    block = max(object_px / _BLOCKS, _LEAST_720_PX * min(canvas.size_hw) / 720, _LEAST_PX)
    blocks_wh = max(1, int((x1 - x0) / block)), max(1, int((y1 - y0) / block))
    for plane, half in zip(canvas.planes, canvas.halved, strict=True):
        part = plane[y0 >> half : y1 >> half, x0 >> half : x1 >> half]
        size_wh = part.shape[1], part.shape[0]
        if half and not halved:
            # a chroma sample is changed where any of its four pixels is inside
            where, halved = _any(cv2.resize(where, size_wh, interpolation=cv2.INTER_AREA)), True
        means = cv2.resize(part, blocks_wh, interpolation=cv2.INTER_AREA)
        cv2.copyTo(cv2.resize(means, size_wh, interpolation=cv2.INTER_LINEAR), where, part)


def _any(share: NDArray[Any]) -> U8:
    return np.asarray(share != 0).view(np.uint8)
