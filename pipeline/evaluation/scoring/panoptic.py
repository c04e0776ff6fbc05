"""The merged output of a semantic and an instance network beside the truth: panoptic quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.evaluation.mapping import Mapping
from pipeline.evaluation.scoring.numbers import number
from pipeline.evaluation.scoring.regions import true_objects
from pipeline.metrics.panoptic import PanopticQuality, PanopticScores, Quality, Rules
from pipeline.postprocess.panoptic import LEAST_LEFT, LEAST_SCORE, LEAST_STUFF_PX, merge_panoptic
from pipeline.types import VOID, Classes, Panoptic, Scene, Truth


class PanopticScore:
    """Counts frames of data sets that have both label maps and objects, for runs with both kinds of network.

    Things are the classes of the objects; all other classes of the label map are stuff, and what is a thing in the
    label map alone belongs to no segment.

    Args:
        labels: classes of the data set's label map.
        objects: classes of its objects.
        label_mapping, object_mapping: between the networks' classes and those.
        rules: whose.
    """

    def __init__(
        self,
        labels: Classes,
        objects: Classes,
        label_mapping: Mapping,
        object_mapping: Mapping,
        rules: Rules = "coco",
    ) -> None:
        counted = {name.lower() for name, to in zip(objects.names, object_mapping.dataset, strict=True) if to != VOID}
        is_thing = [name.lower() in counted for name in labels.names]
        # A compared class of the label map is stuff only if nothing in it can be counted.
        mixed = {to for to, thing in zip(label_mapping.dataset, is_thing, strict=True) if thing}
        kept = sorted({to for to in label_mapping.dataset if to != VOID} - mixed)
        count = len(object_mapping.classes)
        number_of = {to: count + index for index, to in enumerate(kept)}
        names = (*object_mapping.classes, *(label_mapping.classes[to] for to in kept))
        self._classes = Classes(names, ((0, 0, 0),) * len(names))
        self._thing_of = {name.lower(): to for name, to in zip(objects.names, object_mapping.dataset, strict=True)}
        self._true_stuff = [
            VOID if thing else number_of.get(to, VOID)
            for to, thing in zip(label_mapping.dataset, is_thing, strict=True)
        ]
        self._found_stuff = [number_of.get(to, VOID) for to in label_mapping.network]
        self._found_things = object_mapping.network
        self._things = count
        self._quality = PanopticQuality([index < count for index in range(len(names))], rules)

    def add(self, truth: Truth, found: Scene | None) -> None:
        """Count one frame; `found` None: nothing was found."""
        there = self._there(truth)
        if found is None:
            self._quality.add(there, None)
            return
        merged = merge_panoptic(
            found.instances,
            found.labels,
            self._found_things,
            self._found_stuff,
            self._classes,
            frame_hw=(there.segments.shape[0], there.segments.shape[1]),
        )
        self._quality.add(there, merged)

    def _there(self, truth: Truth) -> Panoptic:
        objects = true_objects(truth)
        assert truth.labels is not None
        table = np.full(256, VOID, np.uint8)
        table[: len(self._true_stuff)] = self._true_stuff
        stuff = table[truth.labels.map]
        segments = np.zeros(stuff.shape, np.int32)
        class_ids: list[int] = []
        crowd: list[bool] = []
        for class_id in np.flatnonzero(np.bincount(stuff.ravel(), minlength=256)[:VOID]).tolist():
            class_ids.append(class_id)
            crowd.append(False)
            segments[stuff == class_id] = len(class_ids)
        if objects is not None:
            names = [name.lower() for name in objects.instances.classes.names]
            for row in range(len(objects)):
                x0, y0, x1, y1 = objects.instances.crops_px[row].tolist()
                to = self._thing_of.get(names[int(objects.instances.class_ids[row])], VOID)
                here, inside = segments[y0:y1, x0:x1], objects.instances.mask(row) != 0
                if to == VOID or objects.ignore[row]:
                    here[inside] = 0
                    continue
                class_ids.append(to)
                crowd.append(bool(objects.crowd[row]))
                here[inside] = len(class_ids)
        return Panoptic(segments, np.array(class_ids, np.int32), np.array(crowd, np.bool_), self._classes)

    def merge(self, other: PanopticScore) -> None:
        """Add what another one of the same classes has counted; the order of merging does not matter."""
        self._quality.merge(other._quality)

    def report(self) -> dict[str, Any]:
        """Shares 0..1, None where there is nothing to measure."""
        things = [index < self._things for index in range(len(self._classes))]
        return {
            **panoptic_figures(self._quality.scores(), self._classes.names, things),
            "merging": {"least_score": LEAST_SCORE, "least_left": LEAST_LEFT, "least_stuff_px": LEAST_STUFF_PX},
        }


def panoptic_figures(scores: PanopticScores, names: Sequence[str], things: Sequence[bool]) -> dict[str, Any]:
    """Panoptic scores for JSON; names of the classes, and which of them are things."""
    columns = (scores.pq, scores.sq, scores.rq, scores.matched, scores.false, scores.missed)
    rows = zip(names, things, *(column.tolist() for column in columns), strict=True)
    return {
        **{key: value for key, value in _figures(scores.all).items() if key != "classes"},
        "all": _figures(scores.all),
        "things": _figures(scores.things),
        "stuff": _figures(scores.stuff),
        "classes": {
            name: {
                "PQ": number(pq),
                "SQ": number(sq),
                "RQ": number(rq),
                "matched": matched,
                "false": false,
                "missed": missed,
                "thing": thing,
            }
            for name, thing, pq, sq, rq, matched, false, missed in rows
        },
    }


def _figures(quality: Quality) -> dict[str, Any]:
    shares = {"PQ": number(quality.pq), "SQ": number(quality.sq), "RQ": number(quality.rq)}
    return {**shares, "classes": quality.classes}
