"""What would have been, imagined of measured times: what is asked for, and what comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from flow_parts import no_thread_is_left as no_thread_is_left

from pipeline.errors import ConfigError
from pipeline.evaluation.service_times import ServiceTimes, read_times, timing_record
from pipeline.evaluation.what_if import WhatIf, agreement, imagine, parse_what_if
from pipeline.metrics.streaming import Moment
from pipeline.records import encode_gap
from pipeline.types import Gap

MS = 1_000_000


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
