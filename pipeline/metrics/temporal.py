"""How steady labels are over time, without any truth: what moved is followed by optical flow.

Temporal consistency: Liu, Shen, Yu, Wang, Efficient Semantic Video Segmentation with Per-frame Inference, ECCV 2020,
arXiv 2002.11433, section 4.1: the labels of a frame, moved along the flow, and those of the next frame as a confusion
matrix over the whole film; its mean IoU. Occlusion: Lai et al., Learning Blind Video Temporal Consistency, ECCV 2018,
arXiv 1808.00449, section 3.3 (after Ruder et al.): flow there and back must cancel out. See pipeline.optical_flow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.optical_flow import DisFlow, FlowOf, Grey, Labels, enlarged, followed, move, places, shrunk
from pipeline.types import VOID

FLOW_LONG_SIDE_PX = 640  # the flow is computed on pictures of at most this size


@dataclass(frozen=True, slots=True)
class TemporalScores:
    """What a film comes to; shares 0..1, NaN where there is nothing to measure."""

    mean_iou: float  # of moved labels and those of the next frame, over classes that are in either
    iou: NDArray[np.float64]  # (n,) of each class; NaN: not there
    mean_iou_seen: float  # the same on pixels that the flow follows there and back: no occlusion, no new surface
    flicker: float  # share of those pixels whose class changed
    blink: float  # share of pixels followed over three frames that were A, B and A again, two different classes
    seen: float  # share of all pixels that the flow follows
    pairs: int  # of consecutive frames that were compared


class TemporalConsistency:
    """Counts frame by frame; keeps one frame.

    Args:
        classes: how many the labels have.
        flow: of a picture towards another one; None: DIS.
    """

    def __init__(self, classes: int, flow: FlowOf | None = None) -> None:
        self._all, self._seen = ConfusionMatrix(classes), ConfusionMatrix(classes)
        self._flow = flow or DisFlow()
        self._grey: Grey | None = None
        self._labels: Labels | None = None
        self._before: Labels | None = None  # of the frame before the last, as the last one would have them
        self._pairs = self._pixels = self._followed = self._changed = self._thrice = self._blinked = 0

    def cut(self) -> None:
        """The next frame does not follow on the last one: frames are missing, or another film begins."""
        self._grey = self._labels = self._before = None

    def add(self, grey: Grey, labels: Labels) -> float:
        """Take the next frame.

        Args:
            grey: (h, w) uint8, its brightness.
            labels: (h, w) uint8, VOID where nothing is said: such pixels are not compared.

        Returns:
            The share of followed pixels whose class changed since the last frame; NaN for a first one.

        Raises:
            ValueError: the two have different sizes, or there are ids that are no class.
        """
        if grey.shape != labels.shape:
            raise ValueError(f"a picture of {grey.shape} with labels of {labels.shape}")
        if self._labels is not None and self._labels.shape != labels.shape:
            self.cut()
        small = shrunk(grey, FLOW_LONG_SIDE_PX)
        flickered = float("nan")
        moved = None
        if self._grey is not None and self._labels is not None:
            back, there = self._flow(small, self._grey), self._flow(self._grey, small)
            map_xy = places(back, labels.shape)
            moved = move(self._labels, map_xy)
            self._all.add(moved, labels)
            moved[enlarged(followed(back, there), labels.shape) == 0] = VOID
            self._seen.add(moved, labels)
            before = None if self._before is None else move(self._before, map_xy)
            flickered = self._count(before, moved, labels)
        self._grey, self._labels, self._before = small, labels, moved
        return flickered

    def _count(self, before: Labels | None, moved: Labels, labels: Labels) -> float:
        known = (moved != VOID) & (labels != VOID)
        changed = known & (moved != labels)
        pixels, changes = int(np.count_nonzero(known)), int(np.count_nonzero(changed))
        self._pairs += 1
        self._pixels += labels.size
        self._followed += pixels
        self._changed += changes
        if before is not None:
            thrice = known & (before != VOID)
            self._thrice += int(np.count_nonzero(thrice))
            self._blinked += int(np.count_nonzero(thrice & changed & (before == labels)))
        return changes / pixels if pixels else float("nan")

    def scores(self) -> TemporalScores:
        """The measures of what was counted so far."""
        every, seen = self._all.scores(), self._seen.scores()
        return TemporalScores(
            mean_iou=every.mean_iou,
            iou=every.iou,
            mean_iou_seen=seen.mean_iou,
            flicker=_share(self._changed, self._followed),
            blink=_share(self._blinked, self._thrice),
            seen=_share(self._followed, self._pixels),
            pairs=self._pairs,
        )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
