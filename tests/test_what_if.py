"""The simulated flow does what the real one does, and what a pencil says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from flow_parts import no_thread_is_left as no_thread_is_left
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_clock import real_run

from pipeline.errors import ConfigError
from pipeline.evaluation.service_times import ServiceTimes, read_times, timing_record
from pipeline.evaluation.simulation import LineModel, StageModel, simulate
from pipeline.evaluation.what_if import WhatIf, agreement, imagine, parse_what_if
from pipeline.metrics.streaming import Moment
from pipeline.records import encode_gap
from pipeline.types import Gap

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
    line = LineModel(around, policy, queue, slots + 1)  # type: ignore[arg-type]
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


# What is asked, and what is made of it


def shown(frames: int, fps: float) -> list[Moment]:
    return [Moment(k, k / fps) for k in range(frames)]


def test_every_word_of_a_what_if_is_understood() -> None:
    what_if = parse_what_if(" latency=1.5x, fps=29.97 ,policy=drop_oldest,queue=4,workers=2")
    assert (what_if.factor, what_if.fps, what_if.policy, what_if.queue, what_if.workers) == (
        1.5,
        29.97,
        "drop_oldest",
        4,
        2,
    )
    assert parse_what_if("latency=40ms").latency_s == 0.04
    assert parse_what_if("") == WhatIf()


@pytest.mark.parametrize(
    "text",
    [
        *("latency", "latency=", "latency=2", "latency=-1x", "latency=0ms", "latency=1.5 s", "fps=0", "fps=ten"),
        *("policy=drop", "queue=0", "queue=1.5", "workers=-1", "speed=2", "latency=1x,latency=2ms", "fps=1,fps=2"),
        *("queue=3", "policy=newest,queue=2", "fps=30;workers=2", "=", "latency=1e400x", f"fps={'9' * 400}"),
    ],
)
def test_a_mistyped_what_if_is_an_error_that_repeats_it(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_what_if(text)
    assert f"--what-if {text}" in error.value.message


TIMES = ServiceTimes({0: {"preprocess": 2 * MS, "infer": 30 * MS, "postprocess": 8 * MS}}, workers=1)


def finished_ms(text: str, frames: int = 4, fps: float = 20, times: ServiceTimes = TIMES) -> dict[int, float]:
    imagined = imagine(times, shown(frames, fps), parse_what_if(text))
    return {frame: round(at * 1e3, 6) for frame, at in imagined.finished}


def test_a_factor_stretches_every_stage_and_a_latency_is_what_a_frame_takes_altogether() -> None:
    assert finished_ms("") == {0: 40, 1: 90, 2: 140, 3: 190}
    assert finished_ms("latency=0.5x") == {0: 20, 1: 70, 2: 120, 3: 170}
    assert finished_ms("latency=10ms") == {0: 10, 1: 60, 2: 110, 3: 160}
    assert finished_ms("fps=50", 3) == {0: 40, 1: 70, 2: 100}
    thirds = ServiceTimes({0: {"preprocess": 1, "infer": 1, "postprocess": 1}})
    assert finished_ms("latency=10ms", 1, times=thirds) == {0: 10}
    untimed = ServiceTimes({0: {"infer": 0}})
    assert finished_ms("latency=10ms", 2, times=untimed) == {0: 10, 1: 60}


def test_more_workers_and_another_policy_keep_up_or_fall_behind() -> None:
    slow = ServiceTimes({0: {"infer": 100 * MS}}, workers=1)
    assert finished_ms("", 6, 20, slow) == {0: 100, 1: 200, 3: 300, 5: 400}  # 1 begins just before 2 comes
    assert finished_ms("workers=2", 6, 20, slow) == {k: 100 + 50 * k for k in range(6)}
    before = ServiceTimes({0: {"preprocess": 60 * MS, "infer": 10 * MS}}, workers=1)
    assert finished_ms("workers=2", 4, 20, before) == {k: 70 + 60 * k for k in range(4)}  # of the network only
    assert finished_ms("policy=block", 4, 20, slow) == {k: 100 + 100 * k for k in range(4)}
    assert finished_ms("policy=drop_oldest,queue=3", 6, 20, slow) == {k: 100 + 100 * k for k in range(6)}


def test_what_was_dropped_takes_as_long_as_what_was_measured_before_it() -> None:
    times = ServiceTimes({2: {"infer": 10}, 5: {"infer": 50}})
    assert [stages["infer"] for stages in times.filled([0, 2, 3, 4, 5, 9])] == [10, 10, 10, 10, 50, 50]
    assert ServiceTimes({}).filled([0, 1]) == [{}, {}]
    with pytest.raises(ConfigError, match="not one frame"):
        imagine(ServiceTimes({}), shown(2, 10), WhatIf())


def test_the_imagined_pairing_and_its_ages_are_exact() -> None:
    slow = ServiceTimes({0: {"infer": 100 * MS}}, workers=1)
    imagined = imagine(slow, shown(7, 20), parse_what_if("latency=100ms"))
    # Finished: 0 at 100 ms, 1 at 200, 3 at 300. What ends as a frame is shown is in time for it.
    assert dict(imagined.pairing.against) == {0: None, 1: None, 2: 0, 3: 0, 4: 1, 5: 1, 6: 3}
    assert list(imagined.pairing.behind.values()) == [0.1, 0.15, 0.15, 0.2, 0.15]
    assert imagined.dropped == (2, 4)
    report = imagined.report()
    assert report["frames"] == {"in": 7, "processed": 5, "dropped": {"newest": 2}}
    assert report["latency_ms"]["max"] == 200  # frame 6 waits for 5
    assert report["what_if"] == "latency=100ms"
    assert imagine(slow, shown(7, 20), parse_what_if("latency=100ms")).report() == report


def test_frames_keep_their_numbers_where_some_are_missing() -> None:
    film = [Moment(3, 0.0), Moment(7, 0.05), Moment(8, 0.1)]
    imagined = imagine(TIMES, film, WhatIf())
    assert [frame for frame, _ in imagined.finished] == [3, 7, 8]
    assert dict(imagined.pairing.against) == {3: None, 7: 3, 8: 7}


def test_measured_times_come_back_from_their_file_to_the_nanosecond(tmp_path: Path) -> None:
    times = ServiceTimes({0: {"preprocess": 1_000_004, "infer": 98_765_432_101}, 4: {"infer": 1}}, 1, 5, 3, 4)
    lines = [
        {"index": index, "pts_s": index / 29.97 + 7, "timing": timing_record(stages, times, None)}
        for index, stages in times.stages_ns.items()
    ]
    file = tmp_path / "t.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    again, film = read_times(file)
    assert again == times
    assert film == (Moment(0, 0.0), Moment(4, pytest.approx(4 / 29.97, abs=1e-9)))


def test_times_of_a_camera_that_was_away_are_read_and_its_gaps_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    timing = {"age_ms": 5, "stages_ms": {"infer": 2.5}}
    frames = [json.dumps({"index": i, "pts_s": at_s, "timing": timing}) for i, at_s in ((0, 0.0), (1, 3.0))]
    gap = encode_gap(Gap(0.0, 2.9, "it was away")).decode().strip()
    file.write_text("\n".join([frames[0], gap, frames[1]]))
    times, film = read_times(file)
    assert list(times.stages_ns) == [0, 1]
    assert film == (Moment(0, 0.0), Moment(1, 3.0))


def test_frames_that_were_carried_are_under_way_beside_those_that_were_not(tmp_path: Path) -> None:
    """As the run has it: room for those that pass by the networks, so that none is dropped where none was."""
    file = tmp_path / "t.jsonl"
    lines = []
    for i in range(12):
        stages = {"follow": 1.0, "track": 1.0} if i % 3 else {"follow": 1.0, "infer": 97.0, "track": 3.0}
        carried = {"carried": i % 3} if i % 3 else {}
        timing = {"stages_ms": stages, "workers": 1, "slots": 1, "batch": 1}
        lines.append(json.dumps({"index": i, "pts_s": i / 30, "timing": timing, **carried}))
    file.write_text("\n".join(lines))
    times, film = read_times(file)
    assert times.carry == 2
    assert not imagine(times, film, WhatIf()).dropped
    assert imagine(replace(times, carry=0), film, WhatIf()).dropped


def test_what_records_do_not_say_of_frames_at_once_is_said(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    timing: dict[str, object] = {"age_ms": 5, "stages_ms": {"capture": 9.0, "infer": 2.5}}  # as `run --json` has it
    for more, workers, says in (
        ({}, 1, "do not say how many"),
        ({"workers": 3}, 3, "do not say whether a GPU"),
        ({"workers": 3, "slots": 1, "batch": 1}, 3, ""),
    ):
        file.write_text(json.dumps({"index": 0, "pts_s": 0.0, "timing": timing | more}))
        times = read_times(file)[0]
        assert (times.stages_ns, times.workers, times.slots) == ({0: {"infer": 2_500_000}}, workers, 1)
        assert says in times.assumed
        assert bool(says) == bool(times.assumed)


def test_times_of_a_gpu_are_imagined_with_its_slots() -> None:
    """One thread, which waits for the one frame that it has, though it had slots for those that come."""
    gpu = ServiceTimes({0: {"infer": 100 * MS}}, workers=1, slots=3)
    cpu = ServiceTimes({0: {"infer": 100 * MS}}, workers=3)
    assert finished_ms("fps=40", 6, times=gpu) == {0: 100, 3: 200, 5: 300}
    assert finished_ms("fps=40", 6, times=cpu) == {0: 100, 1: 125, 2: 150, 3: 200, 4: 225, 5: 250}
    with pytest.raises(ConfigError, match="one thread, with 3 slots"):
        finished_ms("workers=2", times=gpu)


def test_as_many_threads_decode_as_in_a_run() -> None:
    many = ServiceTimes({0: {"infer": 10 * MS, "postprocess": 30 * MS}}, workers=4)
    assert finished_ms("fps=50", 4, times=many) == {0: 40, 1: 60, 2: 80, 3: 100}  # two of them


def test_agreement_says_what_differs() -> None:
    imagined = imagine(TIMES, shown(3, 20), WhatIf())
    real = [Moment(0, 0.041), Moment(2, 0.143)]
    said = agreement(real, imagined)
    assert said["processed"] == {"measured": 2, "simulated": 3, "the_same_frames": 2}
    assert said["finish_apart_ms"]["max"] == pytest.approx(3)
