"""The running mean IoU of a run over frames that carry their truth, such as drawn ones."""

from __future__ import annotations

from typing import Any

from pipeline.errors import ConfigError
from pipeline.evaluation.mapping import Mapping, fitting_mapping
from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.types import Picture


class TruthScore:
    """Counts as the frames pass; silent where frames carry no truth, or where no table compares the classes.

    Mean IoU is over one confusion matrix of all frames so far, not a mean of frames.
    """

    def __init__(self) -> None:
        self._counted: ConfusionMatrix | None = None
        self._mapping: Mapping | None = None
        self._off = False
        self._frames = 0
        self._mean_iou: float | None = None

    def add(self, picture: Picture) -> None:
        """Compare a frame that came out."""
        labels, truth = picture.scene.labels, picture.scene.frame.truth
        if self._off or labels is None or truth is None or truth.labels is None:
            return
        if self._counted is None or self._mapping is None:
            try:
                self._mapping = fitting_mapping(labels.classes.names, truth.labels.classes.names)
            except ConfigError:
                self._off = True
                return
            self._counted = ConfusionMatrix(len(truth.labels.classes), len(labels.classes))
        self._counted.add(truth.labels.map, labels.map)
        self._frames += 1
        self._mean_iou = _folded(self._counted, self._mapping).scores().mean_iou

    def line(self) -> str:
        """`mean IoU 0.612` for the picture; empty while nothing was compared."""
        return "" if self._mean_iou is None else f"mean IoU {self._mean_iou:.3f}"

    def report(self) -> dict[str, Any] | None:
        """For the summary; None where nothing was compared."""
        if self._counted is None or self._mapping is None:
            return None
        scores = _folded(self._counted, self._mapping).scores()
        iou = zip(self._mapping.classes, scores.iou.tolist(), strict=True)
        return {
            "frames": self._frames,
            "mIoU": scores.mean_iou,
            "mapping": self._mapping.name,
            "IoU": {name: value for name, value in iou if value == value},
        }


def _folded(counted: ConfusionMatrix, mapping: Mapping) -> ConfusionMatrix:
    return counted.folded(mapping.dataset, mapping.network, len(mapping.classes))
