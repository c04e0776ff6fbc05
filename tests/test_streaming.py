"""Time in accuracy: each frame of a film is scored against the newest result that was there when it was shown."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from flow_parts import no_thread_is_left as no_thread_is_left
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.evaluation.following import Following, Way, no_objects
from pipeline.image import Image
from pipeline.metrics.streaming import Moment, Pairing, pair
from pipeline.types import VOID, Classes, Frame, Labels, Scene


def moments(*pairs: tuple[int, float]) -> list[Moment]:
    return [Moment(frame, at) for frame, at in pairs]


def film(frames: int, every: float = 1.0) -> list[Moment]:
    return [Moment(k, k * every) for k in range(frames)]


# The rule


def test_a_result_counts_from_the_frame_that_is_shown_when_it_is_finished() -> None:
    """A detector that takes one frame and a half: it works on 0, 2 (the newest at 1.5 is 1), 3 ..."""
    pairing = pair(film(6), moments((0, 1.5), (1, 3.0), (3, 4.5)))
    assert dict(pairing.against) == {0: None, 1: None, 2: 0, 3: 1, 4: 1, 5: 3}
    assert dict(pairing.behind) == {2: 2, 3: 2, 4: 3, 5: 2}
    assert (pairing.missed, pairing.in_time) == (2, 0)
    assert pairing.mean_lag_frames == (2 + 2 + 3 + 2) / 4
    assert pairing.used == {0, 1, 3}


def test_even_a_fast_detector_is_one_frame_behind() -> None:
    """As the paper says of all that takes time: what is finished within a frame is there for the next one."""
    pairing = pair(film(4), moments(*((k, k + 0.2) for k in range(4))))
    assert dict(pairing.against) == {0: None, 1: 0, 2: 1, 3: 2}


def test_a_detector_that_takes_no_time_is_scored_as_if_offline() -> None:
    pairing = pair(film(4), film(4))
    assert dict(pairing.against) == {k: k for k in range(4)}
    assert (pairing.in_time, pairing.missed, pairing.mean_lag_frames) == (4, 0, 0)


def test_what_is_finished_at_the_very_moment_is_in_time_and_later_is_not() -> None:
    assert pair(film(2), moments((0, 1.0))).against[1] == 0
    assert pair(film(2), moments((0, 1.0000001))).against[1] is None


def test_the_last_one_finished_counts_even_if_it_is_about_an_older_frame() -> None:
    assert pair(film(4), moments((1, 2.0), (0, 2.5))).against[3] == 0
    assert pair(film(4), moments((0, 2.0), (1, 2.0))).against[3] == 1  # at one moment: in the order given


def test_nothing_comes_of_nothing() -> None:
    pairing = pair(film(2), [])
    assert (pairing.missed, pairing.mean_lag_frames, pairing.used) == (2, None, frozenset())
    assert pair([], []).against == {}


def test_times_that_run_backwards_and_results_of_nothing_are_refused() -> None:
    for shown, finished in (
        (moments((0, 1.0), (1, 0.5)), []),
        (moments((0, 0.0), (0, 0.5)), []),
        (film(2), moments((7, 1.0))),
    ):
        with pytest.raises(ValueError, match="frame"):
            pair(shown, finished)


def walked(shown: Sequence[Moment], finished: Sequence[Moment]) -> dict[int, int | None]:
    """The official toolkit's way, in its own order: a pointer that goes on while the next result is there."""
    at_hand, out = 0, {}
    for frame, time in shown:
        while at_hand < len(finished) and finished[at_hand].at <= time:
            at_hand += 1
        out[frame] = finished[at_hand - 1].frame if at_hand else None
    return out


@given(st.data())
def test_the_rule_is_that_of_a_search_through_all_results_and_of_the_official_toolkit(data: st.DataObject) -> None:
    times = st.integers(0, 40)
    shown = [Moment(k, at) for k, at in enumerate(sorted(data.draw(st.lists(times, max_size=15))))]
    ids = st.integers(0, max(0, len(shown) - 1))
    found = data.draw(st.lists(st.builds(Moment, ids, times), max_size=15)) if shown else []
    against = dict(pair(shown, found).against)
    for frame, time in shown:
        there = [(result.at, place) for place, result in enumerate(found) if result.at <= time]
        assert against[frame] == (found[max(there)[1]].frame if there else None)
    assert against == walked(shown, sorted(found, key=lambda result: result.at))


# Scoring what was there


def scene(index: int) -> Scene:
    labels = Labels(np.full((2, 3), index % 200, np.uint8), Classes(("a",) * 200, ((0, 0, 0),) * 200))
    image = Image((np.zeros((2, 3, 3), np.uint8),), "bgr24")
    return Scene(Frame(index, index, Fraction(1), 0.0, image), no_objects(labels.classes), labels)


def scored(ways: Sequence[Pairing], frames: int) -> tuple[list[dict[int, int | None]], int]:
    """Which result each way's frames were scored against, read off the labels; most results kept at a time."""
    said: list[dict[int, int | None]] = [{} for _ in ways]

    def score(place: int, one: Scene) -> None:
        assert one.labels is not None
        value = int(one.labels.map[0, 0])
        said[place][one.frame.index] = None if value == VOID else value

    following = Following([Way(way, lambda one, place=place: score(place, one)) for place, way in enumerate(ways)])
    most = 0
    for index in range(frames):
        following.add(scene(index))
        most = max(most, following.kept)
    return said, most


@given(st.lists(st.lists(st.integers(0, 6), min_size=30, max_size=30), min_size=1, max_size=3))
def test_frames_are_scored_against_the_result_that_the_pairing_says(steps: list[list[int]]) -> None:
    ways = []
    for walk in steps:
        against: dict[int, int | None] = {}
        newest = -1
        for frame, step in enumerate(walk):
            newest = max(newest, frame - step)
            against[frame] = newest if newest >= 0 else None
        ways.append(Pairing(against, {}))
    said, most = scored(ways, 30)
    assert said == [dict(way.against) for way in ways]
    assert most <= 8  # the longest way back, its own and one more


def test_results_that_nobody_waits_for_are_forgotten() -> None:
    lag = Pairing({k: k - 3 if k >= 3 else None for k in range(150)}, {})
    said, most = scored([lag], 150)
    assert said == [dict(lag.against)]
    assert most <= 5
    few = Pairing({k: (k - 3) // 5 * 5 if k >= 3 else None for k in range(150)}, {})
    said, most = scored([few], 150)
    assert said == [dict(few.against)]
    assert most <= 2  # four of five results were never there in time


def test_a_result_that_does_not_come_again_is_an_error() -> None:
    following = Following([Way(Pairing({1: 0}, {}), lambda one: None)])
    with pytest.raises(DataError, match="frame 0"):
        following.add(scene(1))


def test_objects_are_kept_as_they_were() -> None:
    from records_to_compare import scene as with_objects

    first = with_objects(0, objects=[("car", (3, 4, 20, 30), 0.9), ("tree", (0, 0, 5, 5), 0.5)])
    got: list[Scene] = []
    following = Following([Way(Pairing({0: None, 1: 0}, {}), got.append)])
    following.add(first)
    following.add(with_objects(1, objects=[]))
    assert got[0].instances is not None
    assert len(got[0].instances) == 0
    assert got[0].labels is None
    kept = got[1].instances
    assert kept is not None
    assert first.instances is not None
    for name in ("boxes_xyxy", "scores", "class_ids", "crops_px", "arena", "offset"):
        assert (getattr(kept, name) == getattr(first.instances, name)).all()
    assert got[1].frame.index == 1
