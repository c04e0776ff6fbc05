"""ByteTrack: likely objects are matched to tracks first, unlikely ones then keep the tracks that are left.

Zhang et al. 2022, arXiv 2110.06864. Classes are kept apart: a car does not become a lorry; where a network wavers
between the two, the track goes on as a new one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.track import kalman
from pipeline.track.assignment import best_pairs
from pipeline.track.kalman import F64

_DUPLICATE_IOU = 0.85  # a lost track that lies on a live one is the same object


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """Scores 0..1; the defaults are Ultralytics'."""

    high: float = 0.25  # objects from here on are matched first, and may begin a track
    low: float = 0.1  # objects from here on may keep one
    begin: float = 0.25  # least score of an object that begins a track
    keep_frames: int = 30  # so long a lost track is looked for
    least_match: float = 0.2  # least IoU times score of the first match


@dataclass(slots=True)
class _Track:
    """One object over time."""

    number: int
    class_id: int
    mean: F64  # (8,)
    covariance: F64  # (8, 8)
    seen: int  # index of the last frame that it was seen in
    began: int
    confirmed: bool  # seen in two frames, or from the first frame on
    lost: bool = field(default=False)


class ByteTrack:
    """Numbers objects from frame to frame. Not for several threads: frames are given in their order.

    Memory: lost tracks are forgotten after `keep_frames`, so it does not grow with the film.
    """

    def __init__(self, options: TrackOptions | None = None) -> None:
        self.options = options or TrackOptions()  # may be others from one frame to the next
        self._tracks: list[_Track] = []
        self._count = 0
        self._index: int | None = None

    def update(
        self,
        index: int,
        boxes_xyxy: NDArray[np.float32],
        scores: NDArray[np.float32],
        class_ids: NDArray[np.int32],
        *,
        looked: bool = True,
    ) -> NDArray[np.int64]:
        """The track of each object of a frame, from 1 on; 0: none yet.

        Args:
            index: of the frame; where frames are missing, tracks move on by as many.
            boxes_xyxy: (n, 4) pixels.
            scores: (n,) 0..1.
            class_ids: (n,).
            looked: False: they are those of the frame before, moved, which confirms none of them.
        """
        options = self.options
        first = self._index is None
        self._predict(1 if self._index is None else max(1, index - self._index))
        self._index = index
        boxes = boxes_xyxy.astype(np.float64)
        numbers = np.zeros(len(boxes), np.int64)
        likely = np.flatnonzero(scores >= options.high)
        unlikely = np.flatnonzero((scores > options.low) & (scores < options.high))

        def match(
            tracks: list[_Track], objects: NDArray[np.int64], least: float, fused: bool
        ) -> tuple[list[_Track], NDArray[np.int64]]:
            """Give objects to tracks; what is left of both."""
            likeness = _iou(_boxes(tracks), boxes[objects])
            if fused:
                likeness = likeness * scores[objects].astype(np.float64)
            same = np.array([t.class_id for t in tracks])[:, None] == class_ids[objects][None]
            pairs = best_pairs(np.where(same, likeness - least, 0.0))
            self._correct([(tracks[i], boxes[objects[j]]) for i, j in pairs], index)
            for i, j in pairs:
                numbers[objects[j]] = tracks[i].number if tracks[i].confirmed else 0
            taken, used = {i for i, _ in pairs}, {j for _, j in pairs}
            rest = [j for j in range(len(objects)) if j not in used]
            return [t for i, t in enumerate(tracks) if i not in taken], objects[rest]

        known = [track for track in self._tracks if track.confirmed]
        missed, likely = match(known, likely, options.least_match, True)
        missed, _ = match([track for track in missed if not track.lost], unlikely, 0.5, False)
        for track in missed:
            track.lost = True
        new = [track for track in self._tracks if not track.confirmed]
        for track in new:
            track.confirmed = looked  # if it is seen again now
        unseen, likely = match(new, likely, 0.3, True)
        gone = {id(track) for track in unseen}
        self._tracks = [track for track in self._tracks if id(track) not in gone]
        for place in likely[scores[likely] >= options.begin].tolist():
            numbers[place] = self._begin(boxes[place], int(class_ids[place]), index, confirmed=first)
        self._forget(index)
        return numbers

    def forget(self) -> None:
        """What was seen is gone; the next frame is as a first one, but that numbers count on."""
        self._tracks, self._index = [], None

    def _predict(self, frames: int) -> None:
        known = [track for track in self._tracks if track.confirmed]  # of the others no speed is known
        if not known:
            return
        for track in known:
            if track.lost:
                track.mean[7] = 0  # what is not seen neither grows nor shrinks
        means = np.stack([track.mean for track in known])
        covariances = np.stack([track.covariance for track in known])
        for _ in range(min(frames, self.options.keep_frames)):
            means, covariances = kalman.predict(means, covariances)
        for track, mean, covariance in zip(known, means, covariances, strict=True):
            track.mean, track.covariance = mean, covariance

    def _correct(self, pairs: list[tuple[_Track, F64]], index: int) -> None:
        if not pairs:
            return
        means = np.stack([track.mean for track, _ in pairs])
        covariances = np.stack([track.covariance for track, _ in pairs])
        seen = kalman.measured(np.stack([box for _, box in pairs]))
        for (track, _), mean, covariance in zip(pairs, *kalman.correct(means, covariances, seen), strict=True):
            track.mean, track.covariance, track.seen, track.lost = mean, covariance, index, False

    def _begin(self, box: F64, class_id: int, index: int, confirmed: bool) -> int:
        means, covariances = kalman.begin(kalman.measured(box[None]))
        self._count += 1
        self._tracks.append(_Track(self._count, class_id, means[0], covariances[0], index, index, confirmed))
        return self._count if confirmed else 0

    def _forget(self, index: int) -> None:
        """Drop tracks that were lost too long, and the younger of two that lie on each other."""
        keep = self.options.keep_frames
        self._tracks = [track for track in self._tracks if index - track.seen <= keep]
        live = [track for track in self._tracks if not track.lost and track.confirmed]
        lost = [track for track in self._tracks if track.lost]
        gone = set()
        for i, j in np.argwhere(_iou(_boxes(live), _boxes(lost)) > _DUPLICATE_IOU).tolist():
            one, other = live[i], lost[j]
            gone.add(id(other if one.seen - one.began > other.seen - other.began else one))
        self._tracks = [track for track in self._tracks if id(track) not in gone]


def _boxes(tracks: list[_Track]) -> F64:
    return kalman.boxes_of(np.stack([track.mean for track in tracks])) if tracks else np.zeros((0, 4))


def _iou(ours: F64, theirs: F64) -> F64:
    """(n, 4) and (m, 4) boxes -> (n, m)."""
    low = np.maximum(ours[:, None, :2], theirs[None, :, :2])
    high = np.minimum(ours[:, None, 2:], theirs[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1) for boxes in (ours, theirs)]
    whole = areas[0][:, None] + areas[1][None] - shared
    iou: F64 = shared / np.maximum(whole, 1e-9)
    return iou
