"""What is really there, read from the ids that were drawn with the colours."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.classes import DRIVING
from pipeline.sources.demo.canvas import FIRST_SLOT, U8, Canvas
from pipeline.types import Instances, Labels, Truth

LEAST_PX = 12  # objects with fewer visible pixels are in the labels only


def read_truth(canvas: Canvas) -> Truth:
    """Labels and instances of the frame on the canvas; new memory."""
    ids = np.asarray(cv2.extractChannel(canvas.pixels, 3), np.uint8)
    table = np.arange(256, dtype=np.uint8)
    table[FIRST_SLOT : FIRST_SLOT + len(canvas.slots)] = [slot.class_id for slot in canvas.slots]
    labels = np.asarray(cv2.LUT(ids, table), np.uint8)
    crops: list[tuple[int, int, int, int]] = []
    class_ids: list[int] = []
    masks: list[U8] = []
    for number, slot in enumerate(canvas.slots):
        x0, y0, x1, y1 = slot.limits_px
        mask = cv2.compare(ids[y0:y1, x0:x1], FIRST_SLOT + number, cv2.CMP_EQ)  # type: ignore[call-overload]
        if cv2.countNonZero(mask) < LEAST_PX:
            continue
        left, top, width, height = cv2.boundingRect(mask)
        crops.append((x0 + left, y0 + top, x0 + left + width, y0 + top + height))
        class_ids.append(slot.class_id)
        masks.append(np.asarray(mask[top : top + height, left : left + width], np.uint8).ravel())
    crops_px = np.array(crops, np.int32).reshape(-1, 4)
    instances = Instances(
        boxes_xyxy=crops_px.astype(np.float32),
        scores=np.ones(len(crops), np.float32),
        class_ids=np.array(class_ids, np.int32),
        crops_px=crops_px,
        arena=np.concatenate(masks) if masks else np.empty(0, np.uint8),
        offset=np.cumsum([0, *(len(mask) for mask in masks)], dtype=np.int64),
        classes=DRIVING,
    )
    return Truth(Labels(labels, DRIVING), instances)
