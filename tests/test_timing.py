"""Stamps, percentiles and rates."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.flow import Flow, Stage, Step
from pipeline.image import Image
from pipeline.timing import Distribution, Summary, timed
from pipeline.types import Frame

IMAGE = Image((np.zeros((2, 2, 3), np.uint8),), "bgr24")


def frame(index: int, captured_s: float = 0.0) -> Frame:
    return Frame(index, index, Fraction(1, 30), captured_s, IMAGE)


def distribution(samples: Any) -> Distribution:
    made = Distribution()
    for sample in samples:
        made.add(float(sample))
    return made


RANDOM = np.random.default_rng(7)
SHAPES = {
    "even": RANDOM.uniform(1e-3, 2e-3, 30_000),
    "long tail": RANDOM.lognormal(-5, 1.5, 30_000),
    "two heaps": np.concatenate([RANDOM.normal(0.004, 1e-4, 20_000), RANDOM.normal(0.4, 0.01, 9_000)]),
    "all the same": np.full(12_000, 0.0123),
    "from microseconds to hours": 10 ** RANDOM.uniform(-6, 4, 30_000),
    "sorted": np.sort(RANDOM.exponential(0.01, 20_000)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_percentiles_of_many_samples_are_numpys_within_the_stated_error(shape: str) -> None:
    samples = SHAPES[shape]
    made = distribution(samples)
    for percent in (50, 90, 99):
        assert made.percentile_s(percent) == pytest.approx(np.percentile(samples, percent), rel=Distribution.ERROR)


@pytest.mark.parametrize("count", [100, 101, 999, Distribution.EXACT])
def test_percentiles_of_few_samples_are_numpys_exactly(count: int) -> None:
    samples = RANDOM.lognormal(-5, 2, count)
    made = distribution(samples)
    for percent in (50, 90, 99):
        assert made.percentile_s(percent) == pytest.approx(np.percentile(samples, percent), rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(1e-9, 1e6), min_size=2, max_size=300), st.integers(0, 60))
def test_percentiles_of_anything_are_numpys(samples: list[float], exact: int) -> None:
    made = Distribution()
    made.EXACT = exact
    for sample in samples:
        made.add(sample)
    for percent in (50, 90, 99):
        got = made.percentile_s(percent)
        if len(samples) * (100 - percent) < 100:
            assert got is None
        else:
            want = float(np.percentile(samples, percent))
            assert got == pytest.approx(want, rel=1.001 * Distribution.ERROR if len(samples) > exact else 1e-12)


def test_a_percentile_that_the_samples_do_not_carry_is_none() -> None:
    for percent, needed in ((50, 2), (90, 10), (99, 100)):
        assert distribution([0.001] * (needed - 1)).percentile_s(percent) is None
        assert distribution([0.001] * needed).percentile_s(percent) == pytest.approx(0.001)
    assert Distribution().as_dict() == {
        "samples": 0,
        "mean": None,
        "p50": None,
        "p90": None,
        "p99": None,
        "max": None,
    }


def test_mean_and_maximum_stay_exact() -> None:
    samples = SHAPES["long tail"]
    made = distribution(samples).as_dict()
    assert made["mean"] == pytest.approx(samples.mean() * 1e3, abs=1e-4)
    assert made["max"] == pytest.approx(samples.max() * 1e3, abs=1e-4)


def test_memory_does_not_grow_with_the_frames() -> None:
    summary = Summary()

    def run(frames: int) -> None:
        for index in range(frames):
            one = frame(index, captured_s=index * 0.01)
            one.stamps.spans.update(a=(0.0, 0.01 + index % 97 * 1e-4), b=(0.0, 0.002))
            summary.add(one, done_s=index * 0.01 + 0.02 + index % 89 * 1e-3)

    run(2 * Distribution.EXACT)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        run(20_000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000
    assert summary.processed == 2 * Distribution.EXACT + 20_000


def test_the_rate_counts_n_frames_over_n_intervals() -> None:
    # A frame every 0.1 s, each done 0.1 s after it came in: 10 a second, from the first frame on.
    for frames in (1, 2, 50):
        summary = Summary(warm_up=0)
        for index in range(frames):
            summary.add(frame(index, captured_s=5 + index * 0.1), done_s=5 + (index + 1) * 0.1)
        assert summary.fps == pytest.approx(10)
        assert summary.fps_steady == pytest.approx(10)


def test_the_steady_rate_leaves_out_the_warm_up() -> None:
    summary = Summary(warm_up=10)
    for index in range(10):
        assert summary.fps_steady is None
        summary.add(frame(index, captured_s=0.0), done_s=float(index + 1))
    assert summary.fps_steady is None
    for index in range(10, 40):
        assert (summary.fps_steady is None) == (index < 20)  # a handful that ended together is no rate
        summary.add(frame(index, captured_s=10.0), done_s=10 + (index - 9) * 0.05)
    assert summary.fps == pytest.approx(40 / 11.5)
    assert summary.fps_steady == pytest.approx(20)


def test_nothing_processed_is_no_rate() -> None:
    made = Summary().as_dict({"newest": 3})
    assert made["frames"] == {"in": 3, "processed": 0, "dropped": {"newest": 3}}
    assert made["fps"] is None
    assert made["fps_steady"] is None


def test_the_summary_is_json_and_has_age_and_each_stage() -> None:
    summary = Summary()
    for index in range(200):
        one = frame(index, captured_s=index * 0.04)
        one.stamps.spans["infer"] = (index * 0.04, index * 0.04 + (index + 1) * 1e-3)
        summary.add(one, done_s=index * 0.04 + 0.5)
    made = json.loads(json.dumps(summary.as_dict({"newest": 4, "cancelled": 1})))
    assert made["frames"] == {"in": 205, "processed": 200, "dropped": {"newest": 4, "cancelled": 1}}
    assert made["age_ms"]["p99"] == pytest.approx(500)
    infer = made["stages_ms"]["infer"]
    assert infer["samples"] == 200
    assert infer["p50"] == pytest.approx(100.5)
    assert infer["p99"] == pytest.approx(np.percentile(np.arange(1, 201), 99), abs=1e-3)
    assert infer["max"] == pytest.approx(200)


def stage(name: str, step: Step, **options: int) -> Stage:
    @contextmanager
    def opened() -> Iterator[Step]:
        yield timed(name, step, lambda message: message)

    return Stage(name, opened, **options)


def through(*stages: Stage, frames: int = 30) -> list[Frame]:
    @contextmanager
    def source() -> Iterator[Iterator[Frame]]:
        yield (frame(index, time.monotonic()) for index in range(frames))

    with Flow[Frame](source, stages) as flow:
        return list(flow)


def test_each_stage_stamps_the_frames_it_had() -> None:
    def slow(batch: list[Frame]) -> Iterator[Frame]:  # a generator: its work counts, too
        for one in batch:
            time.sleep(2e-3)
            yield one

    done = through(stage("first", slow, workers=2), stage("second", lambda batch: batch, batch=4))
    assert [one.index for one in done] == list(range(30))
    for one in done:
        assert list(one.stamps.spans) == ["first", "second"]
        (began_s, ended_s), second = one.stamps.spans["first"], one.stamps.spans["second"]
        assert one.captured_s <= began_s
        assert ended_s - began_s >= 2e-3
        assert ended_s <= second[0] <= second[1]


def test_all_frames_of_a_batch_have_the_span_of_the_call() -> None:
    def step(batch: list[Frame]) -> list[Frame]:
        time.sleep(1e-3)
        return batch[:1]  # a frame that ends here was worked on as well

    timed_step = timed("a", step, lambda message: message)
    batch = [frame(index) for index in range(4)]
    assert list(timed_step(batch)) == batch[:1]
    spans = [one.stamps.spans["a"] for one in batch]
    assert len(set(spans)) == 1
    assert spans[0][1] - spans[0][0] >= 1e-3
    assert not hasattr(timed_step, "drain")


def test_a_step_with_slots_has_spans_until_the_result_comes_out() -> None:
    class Slots:
        def __init__(self) -> None:
            self.under_way: deque[Frame] = deque()

        def __call__(self, batch: list[Frame]) -> Iterator[Frame]:
            self.under_way.extend(batch)
            while len(self.under_way) > 2:
                yield self.under_way.popleft()

        def drain(self) -> Iterator[Frame]:
            while self.under_way:
                yield self.under_way.popleft()

    step = timed("a", Slots(), lambda message: message)
    frames = [frame(index) for index in range(4)]
    out: list[Frame] = []
    for one in frames:
        out += step([one])
        time.sleep(1e-3)
    out += step.drain()  # type: ignore[attr-defined]
    assert [one.index for one in out] == [0, 1, 2, 3]
    for one in out:
        began_s, ended_s = one.stamps.spans["a"]
        assert ended_s - began_s >= (1e-3 if one.index == 3 else 2e-3)  # the last had one pause, the others more
    assert through(stage("a", Slots()), frames=50)[-1].stamps.spans.keys() == {"a"}
