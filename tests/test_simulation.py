"""The simulated line does what the real one does, and what a pencil says."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from flow_parts import no_thread_is_left as no_thread_is_left
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_clock import real_run

from pipeline.evaluation.simulation import LineModel, StageModel, simulate

MS = 1_000_000


def fixed(**takes_ms: float) -> Callable[[int, str], int]:
    return lambda frame, name: round(takes_ms[name] * MS)


def infer_only(**options: int) -> LineModel:
    return LineModel((StageModel("infer"),), **options)  # type: ignore[arg-type]


def film(frames: int, every_ms: float) -> list[int]:
    return [round(k * every_ms * MS) for k in range(frames)]


def in_ms(finished_ns: object) -> dict[int, float]:
    return {frame: at / MS for frame, at in dict(finished_ns).items()}  # type: ignore[call-overload]


def test_a_network_faster_than_the_film_drops_nothing() -> None:
    done = simulate(film(4, 40), fixed(infer=30), infer_only(in_flight=2))
    assert in_ms(done.finished_ns) == {0: 30, 1: 70, 2: 110, 3: 150}
    assert done.dropped == ()


def test_a_slow_network_takes_the_newest_frame_and_drops_the_others() -> None:
    # 0 runs 0..100. 1 and 2 come meanwhile, 2 replaces 1. 2 runs 100..200, 3 and 4 come, 5 at 200 after the end
    # of 2: then 4 has begun already, and 5 waits for it.
    done = simulate(film(6, 40), fixed(infer=100), infer_only(in_flight=1))
    assert in_ms(done.finished_ns) == {0: 100, 2: 200, 4: 300, 5: 400}
    assert done.dropped == (1, 3)


def test_a_queue_that_drops_its_oldest_keeps_as_many_as_it_holds() -> None:
    done = simulate(film(6, 10), fixed(infer=35), infer_only(queue=2, in_flight=1))
    # 0 runs 0..35; 1 2 3 come: 1 goes. 2 runs 35..70; waiting 3, then 4 5: 3 goes. 4 70..105, 5 105..140
    assert in_ms(done.finished_ns) == {0: 35, 2: 70, 4: 105, 5: 140}
    assert done.dropped == (1, 3)


def test_a_blocking_source_loses_time_but_no_frame() -> None:
    done = simulate(film(5, 10), fixed(infer=30), infer_only(policy="block", queue=1))  # type: ignore[arg-type]
    assert in_ms(done.finished_ns) == {0: 30, 1: 60, 2: 90, 3: 120, 4: 150}
    assert done.dropped == ()


def test_two_workers_halve_the_interval_and_keep_the_order() -> None:
    line = LineModel((StageModel("infer", workers=2),), in_flight=3)
    takes = {0: 100, 1: 40, 2: 40, 3: 40}
    done = simulate(film(4, 20), lambda frame, name: takes[frame] * MS, line)
    # 1 is done at 60 but leaves behind 0 at 100; 2 begins at 60 when 1's worker works on.
    assert in_ms(done.finished_ns) == {0: 100, 1: 100, 2: 100, 3: 140}


def test_the_slowest_stage_sets_the_rate_and_all_of_them_the_latency() -> None:
    line = LineModel((StageModel("prepare"), StageModel("infer"), StageModel("decode")), in_flight=2)
    done = simulate(film(6, 10), fixed(prepare=5, infer=10, decode=5), line)
    assert in_ms(done.finished_ns) == {k: 20 + 10 * k for k in range(6)}
    assert done.dropped == ()


def test_frames_in_flight_are_limited_by_credits() -> None:
    line = LineModel((StageModel("prepare", capacity=9), StageModel("infer", capacity=9)), in_flight=2)
    done = simulate(film(8, 10), fixed(prepare=1, infer=40), line)
    # 0 infers 0..41, 1 is prepared and waits; 2, 3, 4 come: 4 is the newest at 41.
    assert in_ms(done.finished_ns) == {0: 41, 1: 81, 4: 121, 7: 161}
    assert done.dropped == (2, 3, 5, 6)


def test_a_worker_that_cannot_hand_on_takes_nothing_new() -> None:
    line = LineModel((StageModel("infer", workers=2, capacity=1), StageModel("decode", capacity=1)), in_flight=9)
    due, takes = film(12, 10), fixed(infer=19, decode=100)
    done = simulate(due, takes, line)
    # 2 is done at 39 and cannot leave, its worker waits; the other one takes 3, 4 at 49, 6 at 68 and 8 at 87, which
    # is two rounds ahead: now both wait until 1 leaves at 119.
    assert done.dropped[:4] == (5, 7, 9, 10)
    finished, drops = real_run(due, takes, line)
    assert finished == dict(done.finished_ns)
    assert drops == {"newest": len(done.dropped)}


@pytest.mark.parametrize(
    "broken", [{"due": [2, 1]}, {"line": LineModel(())}, {"line": infer_only(queue=0)}, {"takes": -1}]
)
def test_nonsense_is_refused(broken: dict[str, object]) -> None:
    line = broken.get("line", infer_only())
    with pytest.raises(ValueError, match=r"frames|line|takes"):
        simulate(broken.get("due", [0]), lambda frame, name: broken.get("takes", 1), line)  # type: ignore[arg-type]


NAMES = ("prepare", "infer", "decode")


stages = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=3
)  # workers and capacity of each


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 25),
    stages,
    st.sampled_from(["drop_oldest", "block"]),
    st.integers(1, 3),
    st.one_of(st.none(), st.integers(1, 12)),
    st.integers(0, 10**9),
)
def test_the_real_threads_under_a_virtual_clock_do_the_same_to_the_nanosecond(
    frames: int, shape: list[tuple[int, int]], policy: str, queue: int, in_flight: int | None, seed: int
) -> None:
    models = tuple(
        StageModel(name, workers, capacity) for name, (workers, capacity) in zip(NAMES, shape, strict=False)
    )
    if policy == "drop_oldest":
        queue = 1
        in_flight = in_flight or max(model.workers for model in models) + 1
    line = LineModel(models, policy, queue, in_flight)  # type: ignore[arg-type]
    draw = Random(seed).randrange  # not hypothesis's own: two things at one moment may happen in any order
    due = sorted(draw(1, 400 * MS) for _ in range(frames))
    keys = [(frame, model.name) for frame in range(frames) for model in models]
    takes = {key: draw(1, 60 * MS) * (1 if draw(6) else 20) for key in keys}  # some are far slower than the others
    done = simulate(due, lambda frame, name: takes[frame, name], line)
    finished, drops = real_run(due, lambda frame, name: takes[frame, name], line)
    assert dict(done.finished_ns) == finished
    assert len(done.dropped) == sum(drops.values())
    assert list(done.finished_ns) == list(finished)
    assert set(drops) <= {"newest"}
    assert len(finished) + len(done.dropped) == frames


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 25),
    st.integers(1, 4),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(["drop_oldest", "block"]),
    st.integers(1, 3),
    st.integers(0, 10**9),
)
def test_a_network_with_slots_and_batches_passes_frames_as_the_real_step_does(
    frames: int, slots: int, batch: int, alone: bool, policy: str, queue: int, seed: int
) -> None:
    infer = StageModel("infer", 1, 2, slots, batch)
    around = (infer,) if alone else (StageModel("prepare"), infer, StageModel("decode"))
    queue = 1 if policy == "drop_oldest" else queue
    # Alone it has credits for all: whether it sees those that the caller is just giving back is luck.
    line = LineModel(around, policy, queue, frames if alone else slots + 1)  # type: ignore[arg-type]
    draw = Random(seed).randrange
    due = sorted(draw(1, 400 * MS) for _ in range(frames))
    longest = {"infer": 60 * MS * slots, "prepare": 20 * MS, "decode": 20 * MS}
    takes = {(frame, model.name): draw(1, longest[model.name]) for frame in range(frames) for model in around}
    done = simulate(due, lambda frame, name: takes[frame, name], line)
    finished, drops = real_run(due, lambda frame, name: takes[frame, name], line)
    assert dict(done.finished_ns) == finished
    assert len(done.dropped) == sum(drops.values())


def test_a_network_with_slots_takes_a_frame_while_it_waits_for_none() -> None:
    """Three slots, 100 ms each: 0 is waited for alone, then 1 and 2, which came meanwhile, are open together."""
    line = LineModel((StageModel("prepare"), StageModel("infer", slots=3)), in_flight=4)
    done = simulate(film(8, 42), fixed(prepare=1, infer=100), line)
    # 0 alone to 101; 1 and 2 had come by 85, to 201; 3 and 4 by 169, to 301; 5 and 6 by 253, to 401. Four are then
    # under way: 7 is prepared at 302, when 5 is already waited for.
    assert in_ms(done.finished_ns) == {0: 101, 1: 201, 2: 201, 3: 301, 4: 301, 5: 401, 6: 401, 7: 501}
    assert done.dropped == ()
    one = simulate(film(8, 42), fixed(prepare=1, infer=100), LineModel((StageModel("infer"),), in_flight=4))
    assert one.dropped == (1, 3, 5, 6)
