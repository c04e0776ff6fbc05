"""A frame as it is compared, for people to look at: both sides in the compared classes, in the same colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.classes import colours_for
from pipeline.evaluation.mapping import Mapping
from pipeline.evaluation.scoring.objects import SHOWN_SCORE
from pipeline.evaluation.scoring.regions import shown, true_objects
from pipeline.evaluation.scoring.scores import Scores
from pipeline.types import VOID, Classes, Instances, Labels, Scene


def compared(scores: Scores, scene: Scene) -> tuple[Scene, Scene]:
    """What was found, as far as it is shown, and what is there; what the mapping leaves out is in neither."""
    truth = scene.frame.truth
    found_labels = true_labels = None
    found_objects = true_objects_ = None
    if scores.labels is not None and truth is not None and truth.labels is not None:
        mapping = scores.labels.mapping
        if scene.labels is not None:
            found_labels = _labels(scene.labels, mapping.network, mapping)
        true_labels = _labels(truth.labels, mapping.dataset, mapping)
    if scores.objects is not None and truth is not None:
        mapping = scores.objects.mapping
        objects = true_objects(truth)
        if scene.instances is not None:
            found_objects = _objects(shown(scene.instances, SHOWN_SCORE), mapping.network, mapping)
        if objects is not None:
            to = scores.objects.true_classes(objects.instances.classes)
            true_objects_ = _objects(objects.instances, to, mapping)
        elif true_labels is None and truth.labels is not None:
            true_labels = _labels(truth.labels, scores.objects.true_classes(truth.labels.classes), mapping)
    return Scene(scene.frame, found_objects, found_labels), Scene(scene.frame, true_objects_, true_labels)


def _classes(mapping: Mapping) -> Classes:
    return Classes(mapping.classes, colours_for(mapping.classes))


def _labels(labels: Labels, to: Sequence[int], mapping: Mapping) -> Labels:
    table = np.full(256, VOID, np.uint8)
    table[: len(to)] = to
    return Labels(table[labels.map], _classes(mapping))


def _objects(instances: Instances, to: Sequence[int], mapping: Mapping) -> Instances:
    class_ids = np.array([*to, VOID], np.int32)[instances.class_ids]
    rows = np.flatnonzero(class_ids != VOID)
    return replace(instances.take(rows), class_ids=class_ids[rows], classes=_classes(mapping))
