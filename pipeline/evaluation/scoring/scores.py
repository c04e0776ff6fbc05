"""The scores that a data set and the networks of a run have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from pipeline.errors import ConfigError, DataError, ModelError
from pipeline.evaluation.mapping import Mapping, find_mapping
from pipeline.evaluation.scoring.labels import LabelScore
from pipeline.evaluation.scoring.objects import COMPARED_BY, ComparedBy, ObjectScore
from pipeline.evaluation.scoring.panoptic import PanopticScore
from pipeline.metrics.matching import Rules
from pipeline.types import Classes, Scene, Truth

BOXES_ALONE = "masks: the data set marks its objects by boxes alone"
BLANK = "label maps: no pixel of them has a class, as in a test split whose labels are not public"


class Finder(Protocol):
    """What found something: the card of a network, or files of predictions."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def family(self) -> str:
        """semantic: label maps; else objects."""
        ...

    @property
    def classes(self) -> Classes:
        """What class ids mean."""
        ...


class Scores:
    """All scores of one evaluation. Frames may come in any order; one thread at a time."""

    def __init__(
        self,
        labels: LabelScore | None,
        objects: ObjectScore | None,
        panoptic: PanopticScore | None,
        notes: Sequence[str],
    ) -> None:
        self.labels = labels
        self.objects = objects
        self.panoptic = panoptic
        self.notes = tuple(notes)  # what cannot be scored, and why

    def add(self, truth: Truth | None, found: Scene | None) -> float:
        """Count one frame.

        Args:
            truth: what is really there.
            found: what a run said; None: nothing, so that everything in it is missed.

        Returns:
            How good the frame is, 0..1: the mean of its scores; NaN where it has nothing to measure.

        Raises:
            DataError: the frame carries no truth that could be compared.
        """
        if truth is None:
            raise DataError("a frame carries no truth", hint="evaluate labelled images")
        scores = []
        if self.labels is not None:
            if truth.labels is None:
                raise DataError("a frame carries no label map", hint="evaluate labelled images")
            found_map = None if found is None or found.labels is None else found.labels.map
            scores.append(self.labels.add(truth.labels.map, found_map))
        if self.objects is not None:
            instances = None if found is None else found.instances
            scores.append(self.objects.add(truth, instances, _size(truth, found)))
        if self.panoptic is not None:
            self.panoptic.add(truth, found)
        said = [score for score in scores if not math.isnan(score)]
        return sum(said) / len(said) if said else math.nan

    def merge(self, later: Scores) -> None:
        """Add what another one for the same networks and data has counted on frames that come after all of these.

        The figures are then, to the last digit, those of one that has seen all the frames.
        """
        if self.labels is not None and later.labels is not None:
            self.labels.merge(later.labels)
        if self.objects is not None and later.objects is not None:
            self.objects.merge(later.objects)
        if self.panoptic is not None and later.panoptic is not None:
            self.panoptic.merge(later.panoptic)

    def report(self) -> dict[str, Any]:
        """For JSON. Mean IoU is that of the network that labels pixels; else that of the painted masks."""
        objects = {} if self.objects is None else self.objects.report()
        labels = {} if self.labels is None else self.labels.report()
        used = [score.mapping.name for score in (self.labels, self.objects) if score is not None]
        notes = [BOXES_ALONE] if self.objects is not None and self.objects.boxes_alone else []
        notes += [BLANK] if labels and not labels["pixels"]["scored"] and labels["pixels"]["void"] else []
        return {
            "mapping": used[0] if len(set(used)) == 1 else used,
            **objects,
            **labels,
            **({} if self.panoptic is None else {"panoptic": self.panoptic.report()}),
            "mIoU_of": "label maps" if self.labels is not None else "painted masks",
            "not_scored": [*self.notes, *notes],
        }


def open_scores(
    cards: Sequence[Finder],
    labels: Classes | None,
    objects: Classes | None,
    mappings: Sequence[str] = (),
    not_in_mean: Sequence[str] = (),
    boundaries: bool = False,
    rules: Rules = "coco",
    compared_by: ComparedBy = COMPARED_BY,
    tables_first: bool = False,
) -> Scores:
    """The scores that fit.

    Args:
        cards: of the networks.
        labels: classes of the data set's label maps; None: it has none.
        objects: classes of the objects that it marks; None: it marks none.
        mappings: names or paths of tables of classes. Of several networks each takes the first that is for it, and
            none if it has the data set's classes. None: the networks and the data have the same classes.
        not_in_mean, boundaries: see LabelScore.
        rules: whose, where data sets have their own.
        compared_by: what of found objects can be compared.
        tables_first: of several networks each takes a table that is for it, though it has the data set's classes.

    Raises:
        ModelError: nothing that the networks find is marked in the data set.
        ConfigError: classes differ and no table was given, or one that is not for them.
    """
    notes: list[str] = []
    label_score: LabelScore | None = None
    object_score: ObjectScore | None = None
    labels = labels if labels is not None and len(labels) else None
    for card in cards:
        if card.family == "semantic":
            if labels is None:
                notes.append(f"{card.name} labels pixels; the data set has no label maps")
                continue
            mapping = _mapping(mappings, card, labels, len(cards) > 1, tables_first)
            label_score = LabelScore(labels.names, card.classes.names, mapping, not_in_mean, boundaries, rules)
        else:
            compared = objects if objects is not None else labels
            if compared is None:
                notes.append(f"{card.name} finds objects; the data set marks none")
                continue
            mapping = _mapping(mappings, card, compared, len(cards) > 1, tables_first)
            object_score = ObjectScore(objects, card.classes, mapping, labels, rules, compared_by)
            if objects is None:
                notes.append(f"{card.name} finds objects; the data set only labels pixels: no average precision")
    if label_score is None and object_score is None:
        raise ModelError("; ".join(notes), hint="give a network that finds what the data set marks")
    panoptic: PanopticScore | None = None
    if labels is not None and objects is not None and label_score is not None and object_score is not None:
        merged_by: Literal["coco", "bdd100k"] = "bdd100k" if rules == "bdd100k" else "coco"
        panoptic = PanopticScore(labels, objects, label_score.mapping, object_score.mapping, merged_by)
    return Scores(label_score, object_score, panoptic, notes)


def _mapping(names: Sequence[str], card: Finder, data: Classes, several: bool, tables_first: bool) -> Mapping:
    """The one table for the one network; of several networks each takes what fits it, and none if it needs none."""
    found = card.classes.names
    if several and not tables_first:
        try:
            return find_mapping(None, found, data.names)
        except ConfigError:
            if not names:
                raise
    errors: list[ConfigError] = []
    for name in names:
        try:
            return find_mapping(name, found, data.names)
        except ConfigError as error:
            errors.append(error)
    if errors and not (several and tables_first):
        raise errors[0]
    return find_mapping(None, found, data.names)


def _size(truth: Truth, found: Scene | None) -> tuple[int, int]:
    if found is not None:
        return found.frame.image.size_hw
    if truth.labels is not None:
        height, width = truth.labels.map.shape
        return height, width
    raise DataError("the size of the image is not known", hint="hand in the frame")
