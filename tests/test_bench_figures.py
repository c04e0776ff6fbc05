"""The figures of a benchmark: those that samples carry, what adds up, and what others did meanwhile."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from flow_parts import no_thread_is_left as no_thread_is_left

import pipeline.bench.usage
from pipeline.bench.stream import Came
from pipeline.bench.tally import Tally, percentiles
from pipeline.bench.usage import Usage, memory_mb, spent, usage
from pipeline.bench.warming import Warming
from pipeline.timing import Distribution
from pipeline.types import Stamps


def test_percentiles_that_the_samples_do_not_carry_are_refused_in_words() -> None:
    times = Distribution()
    for ms in range(1, 1000):
        times.add(ms / 1e3)
    told = percentiles(times)
    assert told["p99.9"] is None
    assert told["refused"] == ["not enough samples for p99.9"]
    assert (told["samples"], told["p50"], told["max"]) == (999, 500.0, 999.0)
    times.add(1.0)
    told = percentiles(times)
    assert told["refused"] == []
    assert told["p99.9"] == pytest.approx(np.percentile(np.arange(1, 1001), 99.9))
    assert percentiles(Distribution())["refused"][-1] == "not enough samples for p99.9"


def test_work_waiting_and_age_add_up() -> None:
    spans = {"capture": (0.0, 0.002), "infer": (0.010, 0.030), "render": (0.031, 0.033)}
    tally = Tally()
    tally.add([Came(0.002, 0.035, Stamps(spans, {"gpu: net": (0.012, 0.027)}))])
    told = tally.as_dict()
    stages = told["stages"]
    assert {name: s["service_ms"]["mean"] for name, s in stages.items()} == {"capture": 2, "infer": 20, "render": 2}
    assert stages["capture"]["waiting_ms"] is None
    assert [stages[name]["waiting_ms"]["mean"] for name in ("infer", "render")] == [8, 1]
    assert told["age_ms"]["mean"] == 33
    assert told["device_ms"]["gpu: net"]["mean"] == 15
    histogram = told["age_histogram"]
    assert sum(histogram["counts"]) == 1
    assert histogram["edges_ms"][0] <= 33 < histogram["edges_ms"][-1]


def test_stages_stand_in_the_order_of_the_way_whichever_frame_comes_first() -> None:
    carried = {"capture": (0.0, 0.1), "track": (0.3, 0.4)}
    tally = Tally()
    tally.add(Came(0.0, 0.5, Stamps(spans)) for spans in (carried, {**carried, "infer": (0.1, 0.3)}, carried))
    assert list(tally.as_dict()["stages"]) == ["capture", "infer", "track"]


def test_a_frame_that_was_read_ahead_waits_only_from_when_it_was_asked_for() -> None:
    tally = Tally()
    tally.add([Came(5.0, 5.2, Stamps({"capture": (1.0, 1.1), "infer": (5.05, 5.2)}))])
    assert tally.as_dict()["stages"]["infer"]["waiting_ms"]["mean"] == 50


def test_a_warm_up_says_how_it_ended() -> None:
    def said(*rates: float) -> str:
        return Warming(120, rates, 5.0, 20.0).said()

    assert said(10, 30, 50, 51, 52) == "stable after 120 frames"
    assert said(50, 50, 50, 60) == "did not become stable: spread 18.8 % after 120 frames"
    assert said(50, 50) == "did not become stable: fewer than 3 windows in 20 s"
    assert Warming(0, (), 5.0, 0.0).said() == "no warm-up, as was asked for"


def test_what_others_take_of_the_machine_is_told_apart_from_our_own() -> None:
    before = Usage(10.0, 1.0, {7: ("infer", 0.5)}, 100.0, 5.0, 4)
    after = Usage(12.0, 3.0, {7: ("infer", 2.0), 8: ("infer", 0.25), 9: ("video", 0.1)}, 104.0, 5.4, 4)
    between = spent(before, after)
    assert between.threads_s == pytest.approx({"infer": 1.75, "video": 0.1})
    assert between.other_share == pytest.approx((4.0 - 2.0 + 0.4) / 8)


def test_only_what_others_do_on_our_cpus_is_other_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.bench.usage, "PROC", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 11})
    (tmp_path / "self/task").mkdir(parents=True)

    def read(*busy_ticks: int) -> Usage:
        lines = [f"cpu{number} {ticks} 0 0 900 0 0 0 0 0 0" for number, ticks in enumerate(busy_ticks)]
        total = f"cpu  {sum(busy_ticks)} 0 0 900 0 0 0 0 0 0"
        (tmp_path / "stat").write_text("\n".join([total, *lines, "intr 5", "ctxt 7"]))
        return usage()

    before, after = read(*[0] * 12), read(900, 30, *[900] * 9, 20)
    assert after.cores == 2
    assert (after.busy_s - before.busy_s) * os.sysconf("SC_CLK_TCK") == pytest.approx(50)


def test_cpu_time_is_found_by_thread() -> None:
    stop = threading.Event()
    busy = threading.Thread(target=lambda: [None for _ in iter(stop.is_set, True)], name="busy")
    before = usage()
    busy.start()
    while (
        spent(before, after := usage()).threads_s.get("busy", 0.0) < 0.2
    ):  # twenty of the ticks that the system counts in
        pass
    stop.set()
    busy.join()
    between = spent(before, after)
    assert between.own_s >= between.threads_s["busy"] * 0.5
    memory = memory_mb()
    assert memory["resident"] is not None
    assert memory["peak"] is not None
