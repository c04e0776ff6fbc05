"""BDD100K's lane markings and panoptic segmentation, whose files hold what no other measure fits."""

from __future__ import annotations

from typing import Any, cast

from pipeline.datasets import LeftOut
from pipeline.datasets.bdd100k_labels import PANOPTIC, PANOPTIC_THINGS
from pipeline.datasets.bdd100k_objects import PanopticBitmasks
from pipeline.evaluation.official.base import OfficialScore
from pipeline.evaluation.scoring.numbers import number
from pipeline.evaluation.scoring.panoptic import panoptic_figures
from pipeline.evaluation.truths import Truths
from pipeline.formats import Prediction
from pipeline.formats.reading import Reader
from pipeline.metrics.lanes import TOLERANCES_PX, LaneScore
from pipeline.metrics.panoptic import PanopticQuality
from pipeline.types import Truth


def bdd100k(truths: Truths, reader: Reader) -> OfficialScore | None:
    """The score of lane and pan_seg; None for the other tasks."""
    if truths.task == "lane":
        return Lanes()
    if truths.task == "pan_seg":
        return PanopticSegments(cast(PanopticBitmasks, truths))
    return None


class Lanes:
    """F measure of lane markings, by the package's names."""

    alone = True
    left_out: tuple[LeftOut, ...] = ()

    def __init__(self) -> None:
        self._score = LaneScore()

    def add(self, index: int, truth: Truth, found: Prediction | None) -> None:
        """See OfficialScore."""
        assert truth.labels is not None
        self._score.add(truth.labels.map, None if found is None else found.labels)

    def report(self) -> dict[str, Any]:
        """See OfficialScore."""
        scores = self._score.scores()
        return {
            "lane": {
                f"F1_pix{tolerance}": {
                    "average": number(scores.mean[index]),
                    "tasks": {task: number(values[index]) for task, values in scores.tasks.items()},
                    "classes": {
                        task: {name: number(values[index]) for name, values in classes.items()}
                        for task, classes in scores.classes.items()
                    },
                }
                for index, tolerance in enumerate(TOLERANCES_PX)
            }
        }


class PanopticSegments:
    """Panoptic quality of 40 classes.

    Args:
        truths: which also tell segments.
    """

    alone = True
    left_out: tuple[LeftOut, ...] = ()

    def __init__(self, truths: PanopticBitmasks) -> None:
        self._truths = truths
        self._things = [name in PANOPTIC_THINGS.names for name in PANOPTIC.names]
        self._quality = PanopticQuality(self._things, "bdd100k")

    def add(self, index: int, truth: Truth, found: Prediction | None) -> None:
        """See OfficialScore."""
        self._quality.add(self._truths.panoptic(index), None if found is None else found.panoptic)

    def report(self) -> dict[str, Any]:
        """See OfficialScore."""
        return {"panoptic": panoptic_figures(self._quality.scores(), PANOPTIC.names, self._things)}
