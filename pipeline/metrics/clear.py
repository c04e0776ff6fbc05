"""Multi-object tracking and segmentation: sMOTSA and its kin, for the objects of one class.

Voigtlaender et al., CVPR 2019, arXiv 1902.03604: a true and a found mask whose IoU is over 0.5 are a match, the only
one that either can have, as masks do not overlap. An id switch is a match with another number than the last match of
the same true object had, however long ago. sMOTSA = (sum of the matches' IoU - FP - IDS) / (TP + FN); MOTSA counts
each match as 1; MOTSP is the matches' mean IoU; MODSA leaves out IDS, MOTSAL takes its logarithm to base 10.
What is not said there is as in TrackEval (metrics/clear.py), which ranks KITTI's and MOTSChallenge's results; there
an IoU of exactly 0.5 is a match, too.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from pipeline.metrics.tracked import MATCHED, TrackedFrame

_MOSTLY, _HARDLY = 0.8, 0.2  # shares of an object's frames


@dataclass(frozen=True, slots=True)
class ClearScores:
    """Shares (the first five may be negative), NaN where the truth, or what was found, has no object; and counts."""

    smotsa: float
    motsa: float
    motsp: float
    modsa: float
    motsal: float
    recall: float
    precision: float
    f1: float
    tp: int
    fp: int
    fn: int
    ids: int
    frag: int  # how often a true object is found again
    mt: int  # true objects found in more than 80 % of their frames
    pt: int
    ml: int  # in less than 20 %


class Clear:
    """Counts frame by frame, each film's in their order; `end` after the last of a film."""

    def __init__(self) -> None:
        self._overlap = 0.0
        self._counts: Counter[str] = Counter()
        self._begin()

    def _begin(self) -> None:
        self._last: dict[int, int] = {}  # true object -> number of its last match
        self._before: frozenset[int] = frozenset()  # true objects matched in the frame before
        self._present: Counter[int] = Counter()
        self._matched: Counter[int] = Counter()
        self._runs: Counter[int] = Counter()

    def add(self, frame: TrackedFrame) -> None:
        """Count one frame."""
        there, found = len(frame.true_ids), len(frame.found_ids)
        self._present.update(frame.true_ids.tolist())
        rows, columns = np.nonzero(frame.iou > MATCHED)
        self._counts["tp"] += len(rows)
        self._counts["fn"] += there - len(rows)
        self._counts["fp"] += found - len(rows)
        if not (there and found):  # TrackEval looks past such a frame: what goes on behind it is not broken
            return
        self._overlap += float(frame.iou[rows, columns].sum())
        matches = dict(zip(frame.true_ids[rows].tolist(), frame.found_ids[columns].tolist(), strict=True))
        self._counts["ids"] += sum(self._last.get(true, number) != number for true, number in matches.items())
        self._last |= matches
        self._matched.update(matches.keys())
        self._runs.update(matches.keys() - self._before)
        self._before = frozenset(matches)

    def end(self) -> None:
        """The film is over: numbers begin anew."""
        for true, frames in self._present.items():
            share = self._matched[true] / frames
            self._counts["mt" if share > _MOSTLY else "pt" if share >= _HARDLY else "ml"] += 1
        self._counts["frag"] += sum(runs - 1 for runs in self._runs.values())
        self._begin()

    def merge(self, other: Clear) -> None:
        """Add the films of another one, which have ended."""
        self._overlap += other._overlap
        self._counts.update(other._counts)

    def scores(self) -> ClearScores:
        """Of all films that have ended."""
        tp, fp, fn, ids, frag, mt, pt, ml = (
            self._counts[name] for name in ("tp", "fp", "fn", "ids", "frag", "mt", "pt", "ml")
        )
        true = tp + fn
        return ClearScores(
            smotsa=_share(self._overlap - fp - ids, true),
            motsa=_share(tp - fp - ids, true),
            motsp=_share(self._overlap, tp),
            modsa=_share(tp - fp, true),
            motsal=_share(tp - fp - (math.log10(ids) if ids else 0), true),
            recall=_share(tp, true),
            precision=_share(tp, tp + fp),
            f1=_share(2 * tp, 2 * tp + fn + fp),
            tp=tp,
            fp=fp,
            fn=fn,
            ids=ids,
            frag=frag,
            mt=mt,
            pt=pt,
            ml=ml,
        )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
