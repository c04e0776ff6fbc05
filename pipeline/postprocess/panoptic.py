"""One segment for every pixel, from what an instance network and a semantic network say of the same frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.types import VOID, Classes, Instances, Labels, Panoptic

# Those of panopticapi's combine_semantic_and_instance_predictions.py.
LEAST_SCORE = 0.5  # of objects
LEAST_LEFT = 0.5  # an object goes if less than this share of it is free
LEAST_STUFF_PX = 64 * 64


def merge_panoptic(
    instances: Instances | None,
    labels: Labels | None,
    things: Sequence[int],
    stuff: Sequence[int],
    classes: Classes,
    *,
    frame_hw: tuple[int, int],
    least_stuff_px: int = LEAST_STUFF_PX,
) -> Panoptic:
    """Objects first, the best on top; what they leave is filled from the label map (Kirillov et al. 2019, section 6).

    Args:
        instances: best first; None: none.
        labels: None: nothing but objects.
        things: for each class of the instances the class it becomes, or VOID for one that is left out.
        stuff: likewise for each class of the labels; what can be counted is VOID here: the instances bring it.
        classes: of the result.
        frame_hw: pixels.
        least_stuff_px: smaller areas of a class of the label map are left out.

    Returns:
        Panoptic; new arrays. Pixels that nobody claims are in no segment.
    """
    segments = np.zeros(frame_hw, np.int32)
    class_ids: list[int] = []
    for row in range(0 if instances is None else len(instances)):
        assert instances is not None
        class_id = things[int(instances.class_ids[row])]
        if class_id == VOID or instances.scores[row] < LEAST_SCORE:
            continue
        x0, y0, x1, y1 = instances.crops_px[row].tolist()
        inside, below = instances.mask(row) != 0, segments[y0:y1, x0:x1]
        free = inside & (below == 0)
        left = np.count_nonzero(free)
        if left == 0 or left < LEAST_LEFT * np.count_nonzero(inside):
            continue
        class_ids.append(class_id)
        below[free] = len(class_ids)
    if labels is not None:
        table = np.full(256, VOID, np.uint8)
        table[: len(stuff)] = stuff
        wanted = np.where(segments == 0, table[labels.map], np.uint8(VOID))
        pixels = np.bincount(wanted.ravel(), minlength=256)
        numbers = np.zeros(256, np.int32)
        for class_id in np.flatnonzero(pixels[:VOID] >= max(1, least_stuff_px)).tolist():
            class_ids.append(class_id)
            numbers[class_id] = len(class_ids)
        segments += numbers[wanted]
    return Panoptic(segments, np.array(class_ids, np.int32), np.zeros(len(class_ids), np.bool_), classes)
