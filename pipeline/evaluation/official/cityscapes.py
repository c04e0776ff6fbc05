"""Cityscapes' figures: AP of objects; IoU and iIoU of label maps, of classes and of categories."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.classes import DRIVING, LABEL_IDS, THINGS
from pipeline.datasets import LeftOut
from pipeline.datasets.cityscapes import CityscapesLabels
from pipeline.datasets.label_ids import CATEGORIES, DRIVING_THINGS, NOT_SCORED
from pipeline.evaluation.scoring.numbers import number
from pipeline.evaluation.truths import Truths
from pipeline.formats import Prediction
from pipeline.formats.reading import Reader
from pipeline.metrics.cityscapes_instances import InstanceScore
from pipeline.metrics.cityscapes_pixels import PixelScore
from pipeline.types import Truth


class CityscapesScore:
    """Counts what is there: label maps, objects or both.

    Args:
        truths: whose files of objects are read for themselves: the scripts score their very numbers.
        reader: of label maps, objects or both.
    """

    alone = False
    left_out: tuple[LeftOut, ...] = ()

    def __init__(self, truths: Truths, reader: Reader) -> None:
        self._truths = cast(CityscapesLabels, truths)
        self._pixels = PixelScore(LABEL_IDS, list(CATEGORIES.values())) if reader.labels is not None else None
        things = [LABEL_IDS[train_id] for train_id in THINGS]
        marked = truths.object_classes is not None and reader.things is not None
        self._objects = InstanceScore(things, NOT_SCORED) if marked else None

    def add(self, index: int, truth: Truth, found: Prediction | None) -> None:
        """See OfficialScore."""
        numbers = self._truths.numbers(index)
        if self._pixels is not None:
            assert truth.labels is not None
            self._pixels.add(truth.labels.map, numbers, None if found is None else found.numbers)
        if self._objects is not None:
            assert numbers is not None
            self._objects.add(numbers, None if found is None else found.instances)

    def report(self) -> dict[str, Any]:
        """See OfficialScore."""
        pixels = {} if self._pixels is None else _pixels(self._pixels)
        objects = {} if self._objects is None else _objects(self._objects)
        return {"cityscapes": {**objects, **pixels}}


def _objects(score: InstanceScore) -> dict[str, Any]:
    said = score.scores()
    rows = zip(DRIVING_THINGS.names, said.classes.tolist(), strict=True)
    return {
        "AP": number(said.ap),
        "AP50%": number(said.ap50),
        "objects": {name: {"AP": number(ap), "AP50%": number(ap50)} for name, (ap, ap50) in rows},
    }


def _pixels(score: PixelScore) -> dict[str, Any]:
    said = score.scores()
    return {
        "IoU_class": _mean(said.iou),
        "iIoU_class": _mean(said.iiou),
        "IoU_category": _mean(said.category_iou),
        "iIoU_category": _mean(said.category_iiou),
        "classes": _each(DRIVING.names, said.iou, said.iiou),
        "categories": _each(tuple(CATEGORIES), said.category_iou, said.category_iiou),
    }


def _each(names: tuple[str, ...], iou: NDArray[np.float64], iiou: NDArray[np.float64]) -> dict[str, Any]:
    rows = zip(names, iou.tolist(), iiou.tolist(), strict=True)
    return {name: {"IoU": number(one), "iIoU": number(other)} for name, one, other in rows}


def _mean(values: NDArray[np.float64]) -> float | None:
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else None
