"""Objects beside the truth: box and mask average precision, and the IoU of the masks as a label map."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.objects import no_objects
from pipeline.evaluation.mapping import Mapping
from pipeline.evaluation.scoring.labels import LabelScore
from pipeline.evaluation.scoring.numbers import number
from pipeline.evaluation.scoring.painted import painted, painted_truth
from pipeline.evaluation.scoring.regions import regions, shown, true_objects
from pipeline.metrics.instance import AveragePrecision, InstanceScores, Kind, Matches
from pipeline.metrics.matching import Rules
from pipeline.types import VOID, Classes, Instances, Truth

SHOWN_SCORE = 0.25  # what is painted, drawn and counted object by object; `run` shows as much by default
KINDS: tuple[Kind, ...] = ("box", "mask")
GROUND = "no object"
_RECALL = [round(0.01 * step, 2) for step in range(101)]


@dataclass(frozen=True, slots=True)
class ComparedBy:
    """What of found objects can be compared, and how large they are.

    pycocotools takes a found object for as large as its box where results hold boxes (COCO.loadRes), also when masks
    are compared; BDD100K's package for as large as its mask; Scalabel's as what is compared.
    """

    kinds: tuple[Kind, ...] = KINDS
    sized_by: Kind | None = None  # None: as the rules have it, for results with boxes and masks


COMPARED_BY = ComparedBy()


class ObjectScore:
    """Counts objects as the frames pass.

    Args:
        data: classes of the objects that are marked; None: none are, and only the label map can be compared.
        found: classes of the network.
        mapping: between the network's classes and `data`, or those of the label map.
        labels: classes of the label map; None: there is none, and true objects are painted instead.
        rules: who matches what.
        compared_by: see there.

    Raises:
        UserError: pycocotools is not installed.
    """

    def __init__(
        self,
        data: Classes | None,
        found: Classes,
        mapping: Mapping,
        labels: Classes | None,
        rules: Rules = "coco",
        compared_by: ComparedBy = COMPARED_BY,
    ) -> None:
        self.mapping = mapping
        self._rules = rules
        self._found_to = mapping.network
        names = (labels if data is None else data) or found
        self._by_name = {
            name.lower(): to for name, to in zip(names.names, mapping.dataset, strict=True) if to != VOID
        }
        self._tables: dict[tuple[str, ...], tuple[int, ...]] = {}
        self._has_labels = labels is not None
        kinds = () if data is None else compared_by.kinds
        sized_by = compared_by.sized_by or ("mask" if rules == "bdd100k" else "box")
        self._sized_by = {kind: kind if rules == "scalabel" else sized_by for kind in KINDS}
        self._has_masks = "mask" in compared_by.kinds
        self._precision = {kind: AveragePrecision(kind, len(mapping.classes), SHOWN_SCORE, rules) for kind in kinds}
        self._ground = len(mapping.classes)
        self.painted = self._nothing_painted()
        self._masked = False  # whether a true object has a mask
        self._hits = self._false = self._missed = 0
        self._truths = self._crowds = self._ignored = self._founds = 0
        self._unmapped: dict[str, Counter[str]] = {"truth": Counter(), "predicted": Counter()}

    def add(self, truth: Truth, found: Instances | None, frame_hw: tuple[int, int]) -> float:
        """Count one frame; `found` None: nothing was found.

        Returns:
            The frame's F1 score of masks at IoU 0.5 with SHOWN_SCORE, of boxes where its objects have no masks;
            without objects in truth its mean IoU.
        """
        objects = true_objects(truth)
        found = no_objects(Classes((), ())) if found is None else found
        quality = self._paint(truth, found, frame_hw)
        self._founds += len(found)
        self._count_unmapped("predicted", found, self._found_to)
        if not self._precision or objects is None:
            return quality
        to = self.true_classes(objects.instances.classes)
        self._count_unmapped("truth", objects.instances, to)
        self._truths += len(objects)
        self._crowds += int(objects.crowd.sum())
        self._ignored += int(objects.ignore.sum())
        masked = bool(objects.instances.arena.any())
        self._masked |= masked
        matches = Matches(0, 0, 0)
        for kind, precision in self._precision.items():
            true = regions(kind, objects.instances, to, frame_hw, objects, self._true_size(kind))
            found_here = regions(kind, found, self._found_to, frame_hw, sized_by=self._sized_by[kind])
            one = precision.add(true, found_here)
            if kind == "box" or masked or not len(objects):
                matches = one
        self._hits += matches.hits
        self._false += matches.false
        self._missed += matches.missed
        return matches.f1

    @property
    def boxes_alone(self) -> bool:
        """Whether the data set marks objects, and not one of them by a mask: then masks cannot be compared."""
        return self._truths > 0 and not self._masked

    def _nothing_painted(self) -> LabelScore:
        whole = (*self.mapping.classes, GROUND)
        same = Mapping(self.mapping.name, whole, tuple(range(len(whole))), tuple(range(len(whole))))
        return LabelScore(whole, whole, same, not_in_mean=(GROUND,))

    def _true_size(self, kind: Kind) -> Kind | None:
        """What true objects are as large as; None: as the data set says."""
        return kind if self._rules == "scalabel" else None

    def _paint(self, truth: Truth, found: Instances, frame_hw: tuple[int, int]) -> float:
        objects = true_objects(truth)
        if not self._has_masks:
            return math.nan
        if self._has_labels and truth.labels is not None:
            to = self.true_classes(truth.labels.classes)
            table = np.full(256, VOID, np.uint8)
            table[: len(to)] = [self._ground if value == VOID else value for value in to]
            true: NDArray[np.uint8] = table[truth.labels.map]
        elif objects is not None:
            true = painted_truth(objects, self.true_classes(objects.instances.classes), frame_hw, self._ground)
        else:
            return math.nan
        return self.painted.add(true, painted(shown(found, SHOWN_SCORE), self._found_to, frame_hw, self._ground))

    def true_classes(self, classes: Classes) -> tuple[int, ...]:
        """For each class of the truth, by its name, the compared one."""
        if classes.names not in self._tables:
            self._tables[classes.names] = tuple(self._by_name.get(name.lower(), VOID) for name in classes.names)
        return self._tables[classes.names]

    def _count_unmapped(self, side: str, instances: Instances, to: Sequence[int]) -> None:
        if VOID in to:
            names = instances.classes.names
            ids = [class_id for class_id in instances.class_ids.tolist() if class_id >= 0 and to[class_id] == VOID]
            self._unmapped[side].update(names[class_id] for class_id in ids)

    def merge(self, later: ObjectScore) -> None:
        """Add what another one of the same classes has counted on frames that come after all of these."""
        self.painted.merge(later.painted)
        self._masked |= later._masked
        for kind, precision in self._precision.items():
            precision.merge(later._precision[kind])
        for count in ("_hits", "_false", "_missed", "_truths", "_crowds", "_ignored", "_founds"):
            setattr(self, count, getattr(self, count) + getattr(later, count))
        for side, counter in self._unmapped.items():
            counter.update(later._unmapped[side])

    def report(self) -> dict[str, Any]:
        """Shares 0..1, None where there is nothing to measure."""
        alone = self.boxes_alone
        painted = (self._nothing_painted() if alone and not self._has_labels else self.painted).report()
        painted["classes"].pop(GROUND)
        report: dict[str, Any] = {**painted, "painted_score": SHOWN_SCORE}
        kinds = {kind: one for kind, one in self._precision.items() if kind == "box" or not alone}
        report |= {kind: self._kind(precision.scores()) for kind, precision in kinds.items()}
        report["objects"] = {
            "rules": self._rules,
            "truth": self._truths,
            "crowd": self._crowds,
            "ignored": self._ignored,
            "found": self._founds,
            "unmapped": {side: dict(counts) for side, counts in self._unmapped.items()},
            "shown": {
                "score": SHOWN_SCORE,
                "IoU": 0.5,
                "hits": self._hits,
                "false": self._false,
                "missed": self._missed,
                "F1": number(Matches(self._hits, self._false, self._missed).f1),
            },
        }
        return report

    def _kind(self, scores: InstanceScores) -> dict[str, Any]:
        per_class = {}
        curves = {}
        for index, name in enumerate(self.mapping.classes):
            small, medium, large = scores.ap_by_size[index].tolist()
            figures = {
                "AP": scores.ap[index].item(),
                "AP50": scores.ap50[index].item(),
                "AP75": scores.ap75[index].item(),
                "APs": small,
                "APm": medium,
                "APl": large,
                "AR100": scores.ar100[index].item(),
            }
            truths, found = int(scores.truths[index]), int(scores.found[index])
            numbers = {key: number(value) for key, value in figures.items()}
            per_class[name] = {**numbers, "truth": truths, "found": found}
            if truths:
                curves[name] = {
                    "precision": np.round(scores.precision50[index], 6).tolist(),
                    "score": [number(round(value, 6)) for value in scores.score50[index].tolist()],
                }
        return {
            **{name: number(value) for name, value in scores.stats.items()},
            "classes": per_class,
            "precision_recall": {"IoU": 0.5, "recall": _RECALL, "classes": curves},
        }
