"""What a benchmark measures: ages from when frames were due, and rates of full lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import cycle, pairwise
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from flow_parts import each, stage
from flow_parts import no_thread_is_left as no_thread_is_left
from virtual_clock import VirtualClock

from pipeline.bench.case import _Measured
from pipeline.bench.gpu_meter import GpuMeter
from pipeline.bench.meter import Meter, Order
from pipeline.bench.options import SCENARIOS, BenchOptions
from pipeline.bench.stream import Came, Seen, Streams
from pipeline.flow import Flow
from pipeline.image import Image
from pipeline.types import Frame, SourceInfo, Stamps

IMAGE = Image((np.zeros((2, 2, 3), np.uint8),), "bgr24")
INFO = SourceInfo("film", (2, 2), 25.0)


# Ages, under a clock that goes on only when every thread waits


class Parking(SimpleQueue):  # type: ignore[type-arg]
    """Where the meter waits for its next window: shows the clock that it does."""

    def __init__(self) -> None:
        super().__init__()
        self.gates: list[object] = []

    def get(self, *args: Any) -> Any:
        self.gates = [object()]
        try:
            return super().get(*args)
        finally:
            self.gates = []


class Clock(VirtualClock):
    """The virtual clock as a benchmark's."""

    def __init__(self) -> None:
        super().__init__()
        self.parking = Parking()

    def now_s(self) -> float:
        return self.now_ns / 1e9

    def wait_until(self, due_s: float, stopping: threading.Event) -> None:
        self.sleep_until(round(due_s * 1e9))

    def work(self, seconds: float) -> None:
        self.sleep_until(self.now_ns + round(seconds * 1e9))

    def _gates(self, flow: Flow[Any]) -> list[Any]:
        return [*super()._gates(flow), *self.parking.gates]


def played(fps: float, service_s: float, frames: int, reading_s: Sequence[float] = (0.0,)) -> Seen:
    """One window of a paced film before a stage that takes its time; reading its frames takes time, too."""
    clock = Clock()

    def pictures() -> Iterator[Image]:
        for late_s in cycle(reading_s):
            clock.work(late_s)
            yield IMAGE

    meter = Meter(INFO, pictures, clock, fps)
    meter._orders = clock.parking

    def slow(frame: Frame) -> Frame:
        clock.work(service_s)
        return frame

    flow = Flow[Frame](lambda: meter, [stage("slow", each(slow))], live=True)
    streams = Streams(flow, [meter], clock)
    with clock.driving(flow), streams:
        seen = streams.window(Order(frames / fps, 1))
    assert seen is not None
    return seen[0]


def ages_ms(seen: Seen) -> list[float]:
    return [round((one.done_s - one.due_s) * 1e3, 3) for one in seen.came]


def test_a_stage_of_50_ms_at_10_frames_a_second_makes_every_frame_50_ms_old() -> None:
    seen = played(10, 0.050, 8)
    assert (seen.given, seen.drops, ages_ms(seen)) == (8, {}, [50.0] * 8)
    assert seen.fps == pytest.approx(10)


def test_at_39_frames_a_second_it_drops_what_it_cannot_do_and_counts_it() -> None:
    fps, service_s, frames = 39, 0.0507, 40  # no frame is due just when the stage is free
    seen = played(fps, service_s, frames)
    free_s, waiting, expected = 0.0, [k / fps for k in range(frames)], []
    while waiting:  # the newest frame that was due when the stage was free, or the next to come
        due = [due_s for due_s in waiting if due_s <= free_s]
        taken_s = due[-1] if due else waiting[0]
        waiting = [due_s for due_s in waiting if due_s > taken_s]
        free_s = max(free_s, taken_s) + service_s
        expected.append(round((free_s - taken_s) * 1e3, 3))
    assert ages_ms(seen) == pytest.approx(expected, abs=0.002)
    assert seen.drops == {"newest": frames - len(expected)}
    assert seen.given == frames
    assert seen.fps == pytest.approx(1 / service_s)


def test_a_source_that_is_late_makes_frames_older_not_the_film_longer() -> None:
    """Every third frame takes 130 ms to read, at 10 a second: it and the next one are late, and as old as if not."""
    seen = played(10, 0.010, 9, reading_s=(0.001, 0.001, 0.130))
    assert ages_ms(seen) == [11, 11, 140, 50, 11, 140, 50, 11, 140]
    assert [round(one.due_s * 10) for one in seen.came] == list(range(9))


# Windows, with real threads


def stream(pictures: int = 3, alone: bool = False) -> Streams:
    from pipeline.bench.clock import RealClock

    clock = RealClock()
    meter = Meter(INFO, lambda: cycle([IMAGE] * pictures), clock)
    flow = Flow[Frame](lambda: meter, [stage("same", lambda batch: batch)], in_flight=1 if alone else None)
    return Streams(flow, [meter], clock, asked=alone)


def test_windows_follow_each_other_and_every_frame_belongs_to_one() -> None:
    running = stream()
    with running:
        windows = [running.window(Order(0.0, least)) for least in (4, 1, 7)]
    assert [(w.given, len(w.came), w.drops) for (w,) in filter(None, windows)] == [(4, 4, {}), (1, 1, {}), (7, 7, {})]


def test_sources_that_come_too_fast_take_turns_and_each_counts_its_own_losses() -> None:
    from pipeline.bench.clock import RealClock

    clock = RealClock()
    meters = [Meter(INFO, lambda: cycle([IMAGE]), clock, 100.0) for _ in range(3)]

    @contextmanager
    def read(number: int) -> Iterator[Iterator[Frame]]:
        with meters[number] as frames:
            yield (replace(frame, source=number) for frame in frames)

    def slow(frame: Frame) -> Frame:
        time.sleep(0.01)
        return frame

    flow = Flow[Frame](
        [partial(read, number) for number in range(3)],
        [stage("slow", each(slow))],
        live=True,
        source_of=lambda frame: frame.source,
    )
    with Streams(flow, meters, clock) as running:
        windows = [running.window(Order(0.5, 1)) for _ in range(2)]
    for seen in windows:
        assert seen is not None
        assert [one.given for one in seen] == [50] * 3
        assert all(len(one.came) + sum(one.drops.values()) == 50 for one in seen)
        assert all(set(one.drops) == {"newest"} for one in seen)
        came = [len(one.came) for one in seen]
        assert min(came) >= 0.8 * max(came)


def test_one_frame_at_a_time_never_counts_from_before_it_was_asked_for() -> None:
    running = stream(alone=True)
    with running:
        seen = running.window(Order(0.0, 30))
    assert seen is not None
    came = seen[0].came
    for before, after in pairwise(came):
        assert before.done_s <= after.due_s <= after.done_s


@pytest.mark.parametrize("between", [True, False], ids=["between windows", "inside one"])
def test_a_stop_leaves_no_thread(between: bool) -> None:
    running = stream()
    with running:
        assert running.window(Order(0.0, 3)) is not None
        if between:
            running.end()
        else:
            threading.Timer(0.05, running.end).start()
        assert running.window(Order(3600.0, 1)) is None


def test_a_stage_that_fails_ends_its_window_with_its_error() -> None:
    from pipeline.bench.clock import RealClock

    clock = RealClock()
    meter = Meter(INFO, lambda: cycle([IMAGE]), clock)
    flow = Flow[Frame](lambda: meter, [stage("bad", each(lambda frame: replace(frame, pts=1 // (4 - frame.index))))])
    with pytest.raises(ZeroDivisionError), Streams(flow, [meter], clock) as running:
        running.window(Order(0.0, 20))


def test_the_rate_is_that_of_a_full_line() -> None:
    """Five frames come out while others go in, 0.1 s apart; the line then runs empty at once."""
    done = [1.0, 1.1, 1.2, 1.3, 1.4, 1.41, 1.42]
    came = tuple(Came(0.5, done_s, Stamps()) for done_s in done)
    assert Seen(came, 7, {}, closed_s=1.4).fps == pytest.approx(10)
    assert Seen(came[:1], 1, {}, closed_s=1.4).fps is None


def test_a_paced_source_gives_no_more_than_was_due() -> None:
    """The first two frames are late and come together with the third: 10 a second, as they were due."""
    came = tuple(Came(0.1 * k, max(0.25, 0.1 * k + 0.01), Stamps()) for k in range(10))
    assert Seen(came, 10, {}, 0.9, paced_fps=10).fps == 10
    assert Seen(came[:7], 10, {"newest": 3}, 0.9, paced_fps=10).fps == 10
    slow = tuple(Came(0.1 * k, 0.1 * k + 0.2, Stamps()) for k in range(0, 10, 2))
    assert Seen(slow, 10, {"newest": 5}, 0.9, paced_fps=10).fps == pytest.approx(5)


def test_frames_that_come_several_at_a_time_are_counted_over_whole_rounds() -> None:
    """Four workers in step, 40 frames a second: 0.1 s, four frames, 0.1 s, four frames ..."""
    came = tuple(Came(0.0, 1 + 0.1 * round_ + 0.001 * nth, Stamps()) for round_ in range(5) for nth in range(4))
    assert Seen(came, 20, {}, 2.0, together=4).fps == pytest.approx(40)
    assert Seen(came[:18], 18, {}, 2.0, together=4).fps == pytest.approx(40)
    assert Seen(came[:18], 18, {}, 2.0).fps == pytest.approx(17 / 0.401)  # as if there were one: 42
    assert Seen(came[:3], 3, {}, 2.0, together=4).fps == pytest.approx(2 / 0.002)  # not one round: as well as can be


@pytest.mark.parametrize("seconds", [2.0, 600.0])
def test_a_warm_up_has_its_windows_however_long_those_that_count_are(seconds: float) -> None:
    class Steady:
        def __init__(self) -> None:
            self.asked_s: list[float] = []

        def window(self, order: Order) -> list[Seen]:
            self.asked_s.append(order.seconds)
            return [Seen(tuple(Came(0.0, 0.1 * k, Stamps()) for k in range(9)), 9, {}, 1.0)]

    running: Any = Steady()
    options = BenchOptions(SCENARIOS["throughput"], seconds=seconds, warm_up_s=20.0)
    measured = _Measured([], (), running, options, GpuMeter(), lambda line: None)
    measured.warm_up()
    assert measured.warming.stable
    assert sum(running.asked_s) <= 20
