"""How steady labels are over time, without any truth: what moved is followed by optical flow.

Temporal consistency: Liu, Shen, Yu, Wang, Efficient Semantic Video Segmentation with Per-frame Inference, ECCV 2020,
arXiv 2002.11433, section 4.1: the labels of a frame, moved along the flow, and those of the next frame as a confusion
matrix over the whole film; its mean IoU. Occlusion: Lai et al., Learning Blind Video Temporal Consistency, ECCV 2018,
arXiv 1808.00449, section 3.3 (after Ruder et al.): flow there and back must cancel out. Flow: DIS, Kroeger et al.,
ECCV 2016, arXiv 1603.03590, as OpenCV has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.types import VOID

FLOW_LONG_SIDE_PX = 640  # the flow is computed on pictures of at most this size
_FAR_PX = 1e4
_NO_MAP: Any = None  # both coordinates are in the first map
_LEAST_PX, _WIDEST = 32, 3  # of a picture, for DIS; width over height
_CANCEL_SHARE, _CANCEL_PX = 0.01, 0.5  # Ruder et al.: |there + back|^2 < 0.01 (|there|^2 + |back|^2) + 0.5

Grey = NDArray[np.uint8]  # (h, w)
Labels = NDArray[np.uint8]  # (h, w) class ids, VOID
Flow = NDArray[np.float32]  # (h, w, 2): where each pixel was in the other picture, x and y, pixels relative to it
FlowOf = Callable[[Grey, Grey], Flow]  # of a picture, towards another one


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
        small = shrunk(grey)
        flickered = float("nan")
        moved = None
        if self._grey is not None and self._labels is not None:
            back, there = self._flow(small, self._grey), self._flow(self._grey, small)
            map_xy = _places(back, labels.shape)
            moved = _moved(self._labels, map_xy)
            self._all.add(moved, labels)
            moved[_enlarged(followed(back, there), labels.shape) == 0] = VOID
            self._seen.add(moved, labels)
            before = None if self._before is None else _moved(self._before, map_xy)
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


class DisFlow:
    """Dense inverse search, OpenCV's fast preset."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(self, grey: Grey, other: Grey) -> Flow:
        """Where each pixel of `grey` is in `other`: (h, w, 2) float32, pixels relative to it."""
        height, width = grey.shape
        # DIS crashes on pictures that are small, or much wider than high (OpenCV 5.0.0).
        down = max(0, _LEAST_PX - height, -(-width // _WIDEST) - height)
        right = max(0, _LEAST_PX - width)
        if down or right:
            grey, other = (
                np.asarray(cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE), np.uint8)
                for image in (grey, other)
            )
        no_guess: Any = None
        return np.asarray(self._dis.calc(grey, other, no_guess), np.float32)[:height, :width]


def shrunk(grey: Grey) -> Grey:
    """The picture at the size that its flow is computed at."""
    height, width = grey.shape
    shrink = FLOW_LONG_SIDE_PX / max(height, width)
    if shrink >= 1:
        return grey
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def followed(back: Flow, there: Flow) -> NDArray[np.bool_]:
    """(h, w): the pixels whose flow back and there again ends where it began.

    Args:
        back: of this picture towards the last one.
        there: of the last picture towards this one.
    """
    map_xy = _places(back, back.shape[:2])
    outside = (_FAR_PX, _FAR_PX, 0.0, 0.0)
    again = np.asarray(
        cv2.remap(there, map_xy, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=outside),
        np.float32,
    )
    both = np.asarray(cv2.add(back, again), np.float32)
    apart = _squared(both)
    length = _squared(back)
    length += _squared(again)
    length *= _CANCEL_SHARE
    length += _CANCEL_PX
    return np.asarray(apart < length)


def _squared(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    x, y = cv2.split(flow)
    return np.asarray(cv2.add(cv2.multiply(x, x), cv2.multiply(y, y)), np.float32)


def _places(back: Flow, size_hw: tuple[int, ...]) -> Flow:
    """Where each pixel of a picture of that size was in the last one, (h, w, 2), pixels."""
    (height, width), (low, narrow) = size_hw[:2], back.shape[:2]
    if (low, narrow) != (height, width):
        back = np.asarray(cv2.resize(back, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        back *= np.array([width / narrow, height / low], np.float32)
    map_xy = np.empty_like(back)
    np.add(back[..., 0], np.arange(width, dtype=np.float32), out=map_xy[..., 0])
    np.add(back[..., 1], np.arange(height, dtype=np.float32)[:, None], out=map_xy[..., 1])
    return map_xy


def _enlarged(mask: NDArray[np.bool_], size_hw: tuple[int, ...]) -> NDArray[np.uint8]:
    height, width = size_hw[:2]
    whole = mask.view(np.uint8)
    if whole.shape != (height, width):
        whole = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    return whole


def _moved(labels: Labels, map_xy: Flow) -> Labels:
    """The labels where the flow brings them; VOID where they come from outside the picture."""
    moved = cv2.remap(
        labels, map_xy, _NO_MAP, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=float(VOID)
    )
    return np.asarray(moved, np.uint8)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
