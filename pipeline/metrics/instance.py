"""Box and mask average precision by COCO's protocol: pycocotools' own matching and accumulation, image by image.

Of an image nothing is kept but 25 bytes for each found object: its score, its rank, a bit per IoU threshold and size.
Masks are compared as run lengths. COCOeval itself keeps every mask, and kilobytes for each image and class.
"""

from __future__ import annotations

import contextlib
import io
from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.matching import MAX_DETS, SIZES, Kind, Matched, Matcher, Regions, Rules, protocol

__all__ = ["STATS", "AveragePrecision", "InstanceScores", "Kind", "Matches", "Regions"]

STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
_ALL_OF_THEM = 1 << 62  # a limit that cuts nothing off


@dataclass(frozen=True, slots=True)
class Matches:
    """How one image went, at IoU 0.5: objects found, found where none is, and missed."""

    hits: int
    false: int
    missed: int

    @property
    def f1(self) -> float:
        """2 hits / (2 hits + false + missed); NaN where there was nothing to find and nothing was found."""
        whole = 2 * self.hits + self.false + self.missed
        return 2 * self.hits / whole if whole else float("nan")


@dataclass(frozen=True, slots=True)
class InstanceScores:
    """What the protocol says of n classes; shares 0..1, NaN where no object of a class (and size) is in truth."""

    stats: dict[str, float]  # the twelve official figures, as STATS names them
    ap: NDArray[np.float64]  # (n,) mean over IoU 0.50:0.95
    ap50: NDArray[np.float64]  # (n,)
    ap75: NDArray[np.float64]  # (n,)
    ap_by_size: NDArray[np.float64]  # (n, 3) small, medium, large
    ar100: NDArray[np.float64]  # (n,) mean of the greatest recall over IoU 0.50:0.95
    precision50: NDArray[np.float64]  # (n, 101) at IoU 0.5, interpolated, for recall 0, 0.01 .. 1
    score50: NDArray[np.float64]  # (n, 101) the score down to which one must go for that recall; NaN: not reached
    truths: NDArray[np.int64]  # (n,) objects in truth that count
    found: NDArray[np.int64]  # (n,) found objects, at most 100 an image


class _Tally:
    """The found objects of one class over all images."""

    def __init__(self) -> None:
        self.scores = array("d")
        self.ranks = array("B")  # 0 is the best of its class in its image
        self.bits = array("H")  # 2 * SIZES numbers an object: matched and ignored, a bit per threshold
        self.truths = [0] * len(SIZES)

    def add(self, one: Matched, weights: NDArray[np.uint16]) -> None:
        count = len(one.scores)
        both = np.stack([one.matched, one.ignored])  # (2, sizes, thresholds, objects)
        bits = (both * weights[:, None]).sum(2, dtype=np.uint16)
        self.scores.frombytes(one.scores.tobytes())
        self.ranks.frombytes(np.arange(count, dtype=np.uint8).tobytes())
        self.bits.frombytes(np.ascontiguousarray(bits.transpose(2, 0, 1)).tobytes())
        self.truths = [old + new for old, new in zip(self.truths, one.truths, strict=True)]

    def merge(self, later: _Tally) -> None:
        self.scores += later.scores
        self.ranks += later.ranks
        self.bits += later.bits
        self.truths = [old + new for old, new in zip(self.truths, later.truths, strict=True)]


class AveragePrecision:
    """Counts image by image; images without a found object count too, and images may come in any order.

    Of equal scores in different images the earlier image comes first, as with COCOeval, which sorts images by number.

    Args:
        kind: boxes or masks are compared.
        classes: how many there are.
        shown_score: Matches counts the objects found with this score or more.
        rules: who matches what.

    Raises:
        UserError: pycocotools is not installed.
    """

    def __init__(self, kind: Kind, classes: int, shown_score: float = 0.25, rules: Rules = "coco") -> None:
        self._kind = kind
        self._matcher = Matcher(kind, rules)
        self._weights = 1 << np.arange(len(protocol(kind).params.iouThrs), dtype=np.uint16)
        self._tallies = [_Tally() for _ in range(classes)]
        self._shown = shown_score

    def add(self, truth: Regions, found: Regions) -> Matches:
        """Match the objects of one image; shapes of both must be of this kind and of one image size."""
        hits = false = missed = 0
        for class_id in np.union1d(truth.class_ids, found.class_ids).tolist():
            one = self._matcher.match(truth, found, class_id)
            self._tallies[class_id].add(one, self._weights)
            counts = (one.scores >= self._shown) & ~one.ignored[0, 0]
            here = int(np.count_nonzero(counts & one.matched[0, 0]))
            hits += here
            false += int(np.count_nonzero(counts)) - here
            missed += max(0, one.truths[0] - here)
        return Matches(hits, false, missed)

    def merge(self, later: AveragePrecision) -> None:
        """Add what another one of the same classes has counted on images that come after all of these."""
        for mine, theirs in zip(self._tallies, later._tallies, strict=True):
            mine.merge(theirs)

    def scores(self) -> InstanceScores:
        """Accumulate and summarise what was counted so far."""
        parts = zip(*(self._accumulated(tally) for tally in self._tallies), strict=True)
        precision, recall, score = (np.concatenate(part, axis=-3) for part in parts)
        coco = protocol(self._kind)
        coco.params.maxDets = list(MAX_DETS)
        coco.eval = {"precision": precision, "recall": recall}
        with contextlib.redirect_stdout(io.StringIO()):
            coco.summarize()
        whole = _known(precision[..., -1])  # thresholds, recalls, classes, sizes; up to 100 objects
        score50 = score[0, :, :, 0, -1].T
        return InstanceScores(
            stats={name: _figure(value) for name, value in zip(STATS, coco.stats.tolist(), strict=True)},
            ap=whole[..., 0].mean((0, 1)),
            ap50=whole[0, ..., 0].mean(0),
            ap75=whole[5, ..., 0].mean(0),
            ap_by_size=whole[..., 1:].mean((0, 1)),
            ar100=_known(recall[..., 0, -1]).mean(0),
            precision50=whole[0, ..., 0].T,
            score50=np.where(score50 > 0, score50, np.nan),
            truths=np.array([tally.truths[0] for tally in self._tallies], np.int64),
            found=np.array([len(tally.scores) for tally in self._tallies], np.int64),
        )

    def _accumulated(self, tally: _Tally) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Of one class: precision and scores (thresholds, recalls, 1, sizes, limits), recall without the second.

        COCOeval.accumulate is given all images as one: what it would cut off an image is cut off here, by rank.
        """
        scores, ranks = np.asarray(tally.scores), np.asarray(tally.ranks)
        bits = np.asarray(tally.bits).reshape(-1, 2, len(SIZES))
        parts = []
        for limit in MAX_DETS:
            rows = np.flatnonzero(ranks < limit)
            coco = protocol(self._kind)
            params = coco.params
            params.imgIds, params.catIds, params.maxDets = [0], [0], [_ALL_OF_THEM]
            coco._paramsEval = params
            coco.evalImgs = [
                {
                    "dtScores": scores[rows],
                    "dtMatches": (bits[rows, 0, size] & self._weights[:, None]) != 0,
                    "dtIgnore": (bits[rows, 1, size] & self._weights[:, None]) != 0,
                    "gtIgnore": np.zeros(truths, np.uint8),
                }
                for size, truths in enumerate(tally.truths)
            ]
            with contextlib.redirect_stdout(io.StringIO()):
                coco.accumulate()
            parts.append([coco.eval[name] for name in ("precision", "recall", "scores")])
        precision, recall, found = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
        return precision, recall, found


def _known(values: NDArray[Any]) -> NDArray[np.float64]:
    """-1 is COCOeval's word for nothing to measure."""
    return np.where(values > -1, values, np.nan)


def _figure(value: float) -> float:
    return value if value > -1 else float("nan")
