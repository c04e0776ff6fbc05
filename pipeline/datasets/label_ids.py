"""From Cityscapes' label ids, which KITTI uses too, to the 19 driving classes."""

from __future__ import annotations

from pipeline.classes import LABEL_IDS
from pipeline.types import VOID

_LAST_LABEL_ID = 33  # cityscapesScripts, helpers/labels.py: 0..33, and -1 for licence plates, 255 in a byte

# What is no driving class, such as parking or a pole group, is ignored in every official evaluation.
TRAIN_ID_OF = dict.fromkeys((*range(_LAST_LABEL_ID + 1), VOID), VOID) | {
    label_id: train_id for train_id, label_id in enumerate(LABEL_IDS)
}
