"""Objects keep their numbers, as ByteTrack's paper and its known implementation have it."""

from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pipeline.track import ByteTrack, TrackOptions
from pipeline.track.assignment import best_pairs

F32 = NDArray[np.float32]


def update(tracker: ByteTrack, index: int, boxes: Any, scores: Any = None, classes: Any = None) -> list[int]:
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    scores = np.full(len(boxes), 0.9) if scores is None else scores
    classes = np.zeros(len(boxes)) if classes is None else classes
    return tracker.update(index, boxes, np.asarray(scores, np.float32), np.asarray(classes, np.int32)).tolist()


@given(arrays(np.float64, st.tuples(st.integers(0, 5), st.integers(0, 6)), elements=st.floats(-1, 1, width=16)))
@settings(max_examples=150, deadline=None)
def test_pairs_gain_as_much_as_the_best_of_all(gain: NDArray[np.float64]) -> None:
    pairs = best_pairs(gain)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    rows, columns = gain.shape
    useful = np.maximum(gain, 0)
    if rows <= columns:
        best = max(sum(useful[i, j] for i, j in enumerate(chosen)) for chosen in permutations(range(columns), rows))
    else:
        best = max(sum(useful[i, j] for j, i in enumerate(chosen)) for chosen in permutations(range(rows), columns))
    assert sum(gain[i, j] for i, j in pairs) == pytest.approx(best)
    assert all(gain[i, j] > 0 for i, j in pairs)


def drive(seed: int, frames: int = 60) -> list[tuple[F32, F32]]:
    """Boxes that move, meet, fade, vanish and come back; best score first, as a network gives them."""
    rng = np.random.default_rng(seed)
    places, speeds = rng.uniform(0, 600, (12, 2)), rng.normal(0, 5, (12, 2))
    sizes, fading = rng.uniform(40, 120, (12, 2)), rng.uniform(0, 40, 12)
    film = []
    for index in range(frames):
        places = places + speeds
        noisy = places + rng.normal(0, 1, places.shape)
        boxes = np.concatenate([noisy, noisy + sizes * rng.normal(1, 0.01, sizes.shape)], 1)
        scores = np.clip(0.5 + 0.45 * np.sin((index + fading) / 7) + rng.normal(0, 0.03, 12), 0.02, 0.99)
        order = np.argsort(-scores, kind="stable")
        film.append((boxes[order].astype(np.float32), scores[order].astype(np.float32)))
    return film


class Found:
    """What Ultralytics' tracker asks of detections."""

    def __init__(self, boxes: F32, scores: F32) -> None:
        self.xyxy, self.conf, self.cls = boxes, scores, np.zeros(len(scores), np.float32)

    @property
    def xywh(self) -> F32:
        low, high = self.xyxy[:, :2], self.xyxy[:, 2:]
        return np.concatenate([(low + high) / 2, high - low], 1)

    def __getitem__(self, index: Any) -> Found:
        return Found(self.xyxy[index], self.conf[index])

    def __len__(self) -> int:
        return len(self.conf)


@pytest.mark.parametrize("seed", range(6))
def test_numbers_are_those_of_ultralytics_bytetrack(seed: int) -> None:
    pytest.importorskip("lap", reason="no lap, which Ultralytics' tracker needs: pip install lap")
    trackers = pytest.importorskip(
        "ultralytics.trackers.byte_tracker", reason="no Ultralytics here: install the extra `export`"
    )
    options = {"track_high_thresh": 0.25, "track_low_thresh": 0.1, "new_track_thresh": 0.25, "track_buffer": 30}
    theirs = trackers.BYTETracker(SimpleNamespace(**options, match_thresh=0.8, fuse_score=True))
    ours = ByteTrack()
    for index, (boxes, scores) in enumerate(drive(seed)):
        rows = theirs.update(Found(boxes, scores))
        expected = np.zeros(len(boxes), int)
        for row in rows:
            expected[int(row[7])] = int(row[4])
        assert update(ours, index, boxes, scores) == expected.tolist(), f"frame {index}"


def test_an_object_keeps_its_number_when_its_score_falls() -> None:
    tracker = ByteTrack(TrackOptions(high=0.5, begin=0.6))
    assert update(tracker, 0, [(10, 10, 60, 90)], [0.9]) == [1]
    assert update(tracker, 1, [(12, 10, 62, 90)], [0.2]) == [1]
    assert update(tracker, 2, [(14, 10, 64, 90)], [0.8]) == [1]
    assert update(tracker, 3, [(14, 10, 64, 90), (200, 10, 250, 90)], [0.8, 0.3]) == [1, 0]  # too weak to begin


def test_what_flashes_up_once_gets_no_number() -> None:
    tracker = ByteTrack()
    update(tracker, 0, [(10, 10, 60, 90)])
    assert update(tracker, 1, [(10, 10, 60, 90), (300, 10, 350, 90)]) == [1, 0]
    assert update(tracker, 2, [(10, 10, 60, 90)]) == [1]
    assert update(tracker, 3, [(10, 10, 60, 90), (300, 10, 350, 90)]) == [1, 0]
    assert update(tracker, 4, [(10, 10, 60, 90), (300, 10, 350, 90)]) == [1, 3]


def test_frames_that_were_dropped_count() -> None:
    tracker = ByteTrack()
    for index in range(8):
        assert update(tracker, index, [(20 * index, 10, 20 * index + 60, 90)]) == [1]
    assert update(tracker, 12, [(20 * 12, 10, 20 * 12 + 60, 90)]) == [1]  # 100 px on: found where it had to be
    assert update(tracker, 60, [(20 * 60, 10, 20 * 60 + 60, 90)]) == [0]  # lost for too long


def test_classes_are_kept_apart() -> None:
    tracker = ByteTrack()
    update(tracker, 0, [(10, 10, 60, 90)], classes=[2])
    assert update(tracker, 1, [(10, 10, 60, 90)], classes=[7]) == [0]
    assert update(tracker, 2, [(10, 10, 60, 90)], classes=[7]) == [2]


def test_memory_does_not_grow_with_the_film() -> None:
    tracker = ByteTrack()
    rng = np.random.default_rng(0)
    for index in range(400):
        low = rng.uniform(0, 1000, (5, 2))
        update(tracker, index, np.concatenate([low, low + 40], 1))
    assert len(tracker._tracks) < 5 * 32


def test_frames_without_objects_pass() -> None:
    tracker = ByteTrack()
    assert update(tracker, 0, []) == []
    assert update(tracker, 1, [(10, 10, 60, 90)]) == [0]
    assert update(tracker, 2, []) == []
