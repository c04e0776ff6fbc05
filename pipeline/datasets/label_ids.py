"""From Cityscapes' label ids, which KITTI uses too, to the 19 driving classes, and the objects of instance files."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipeline.classes import DRIVING, LABEL_IDS, THINGS
from pipeline.datasets.objects import Marked, segments
from pipeline.types import VOID, Classes

_LAST_LABEL_ID = 33  # cityscapesScripts, helpers/labels.py: 0..33, and -1 for licence plates, 255 in a byte

# What is no driving class, such as parking or a pole group, is ignored in every official evaluation.
TRAIN_ID_OF = dict.fromkeys((*range(_LAST_LABEL_ID + 1), VOID), VOID) | {
    label_id: train_id for train_id, label_id in enumerate(LABEL_IDS)
}
NOT_SCORED = tuple(label_id for label_id in range(_LAST_LABEL_ID + 1) if TRAIN_ID_OF[label_id] == VOID)
CATEGORIES = MappingProxyType(  # label ids, in the vehicles also those that are not scored: caravan and trailer
    {
        **{"flat": (7, 8), "construction": (11, 12, 13), "object": (17, 19, 20), "nature": (21, 22), "sky": (23,)},
        **{"human": (24, 25), "vehicle": (26, 27, 28, 29, 30, 31, 32, 33)},
    }
)
DRIVING_THINGS = Classes(
    tuple(DRIVING.names[train_id] for train_id in THINGS), tuple(DRIVING.colours[train_id] for train_id in THINGS)
)
_THING_OF = {LABEL_IDS[train_id]: class_id for class_id, train_id in enumerate(THINGS)}


def counted_things(numbers: NDArray[np.integer], step: int, first: int) -> Iterator[Marked]:
    """The objects of a map of label id * step + instance, those of the eight classes that are scored.

    Args:
        numbers: (h, w).
        step: 1000 in Cityscapes, 256 in KITTI.
        first: numbers below stand for a label id alone: Cityscapes stores groups (a row of parked bicycles) so. In
            KITTI a group is an object of instance 0.
    """
    for segment in segments(numbers):
        whole = segment.number >= first
        label_id = segment.number // step if whole else segment.number
        crowd = not whole or (first == 0 and segment.number % step == 0)
        if label_id in _THING_OF:
            yield Marked(_THING_OF[label_id], segment.mask, segment.crop_px, segment.number, crowd)
