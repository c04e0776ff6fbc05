"""Objects as a label map: what an instance network says of every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.types import VOID, Instances, TrueObjects


def painted(instances: Instances, to: Sequence[int], frame_hw: tuple[int, int], ground: int) -> NDArray[np.uint8]:
    """A label map of masks, one over the other, the best on top.

    Args:
        to: the class that each class of the instances becomes, VOID for those that are not painted.
        frame_hw: of the picture, pixels.
        ground: what every other pixel is.

    Returns:
        (h, w) uint8; new memory.
    """
    labels = np.full(frame_hw, ground, np.uint8)
    for row in range(len(instances) - 1, -1, -1):
        value = to[int(instances.class_ids[row])]
        if value != VOID:
            _put(labels, instances, row, value)
    return labels


def painted_truth(
    objects: TrueObjects, to: Sequence[int], frame_hw: tuple[int, int], ground: int
) -> NDArray[np.uint8]:
    """A label map of true objects, small ones on top; VOID where a crowd or an ignored one is and nothing else.

    Args:
        to, frame_hw, ground: as for painted.

    Returns:
        (h, w) uint8; new memory.
    """
    unsure = objects.crowd | objects.ignore
    labels = np.full(frame_hw, ground, np.uint8)
    for row in np.flatnonzero(unsure).tolist():
        _put(labels, objects.instances, row, VOID)
    for row in np.argsort(-objects.area_px, kind="stable").tolist():
        value = to[int(objects.instances.class_ids[row])]
        if value != VOID and not unsure[row]:
            _put(labels, objects.instances, row, value)
    return labels


def _put(labels: NDArray[np.uint8], instances: Instances, row: int, value: int) -> None:
    x0, y0, x1, y1 = instances.crops_px[row].tolist()
    np.copyto(labels[y0:y1, x0:x1], np.uint8(value), where=instances.mask(row) != 0)
