"""The flow: order, errors, stops, live sources and leases."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.flow import Cancelled, Flow, Lease, Pool, Stage, StallError, Step, drain_on_interrupt

pytestmark = pytest.mark.timeout(60)
PATIENCE_S = 20  # a wait that takes so long has failed


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def feed(items: Iterable[Any]) -> Callable[[], AbstractContextManager[Iterable[Any]]]:
    @contextmanager
    def opened() -> Iterator[Iterable[Any]]:
        yield items

    return opened


def stage(name: str, step: Step, **options: int) -> Stage:
    @contextmanager
    def opened() -> Iterator[Step]:
        yield step

    return Stage(name, opened, **options)


def each(function: Callable[[Any], Any]) -> Step:
    return lambda batch: [function(item) for item in batch]


def same(batch: list[Any]) -> list[Any]:
    return batch


def run(flow: Flow[Any], body: Callable[[Any], None] = lambda item: None) -> list[Any]:
    out = []
    with flow:
        for item in flow:
            body(item)
            out.append(item)
    return out


def wait(event: threading.Event) -> None:
    if not event.wait(PATIENCE_S):
        raise AssertionError("nobody came")


class Slots:
    """A step that works like a GPU with several slots: results come out when all slots are full."""

    def __init__(self, slots: int, function: Callable[[Any], Iterable[Any]], at_once: bool = False) -> None:
        self.slots, self.function, self.at_once = slots, function, at_once
        self.under_way: deque[Any] = deque()

    def __call__(self, batch: list[Any]) -> Iterator[Any]:
        for item in batch:
            self.under_way.append(item)
            if len(self.under_way) > self.slots:
                yield from self.function(self.under_way.popleft())

    def drain(self) -> Iterator[Any]:
        given = 0
        while self.under_way and (self.at_once or not given):
            for result in self.function(self.under_way.popleft()):
                given += 1
                yield result


def slots_stage(name: str, make: Callable[[], Slots], **options: int) -> Stage:
    @contextmanager
    def opened() -> Iterator[Step]:
        yield make()

    return Stage(name, opened, **options)


# The way through.


def test_results_keep_their_order() -> None:
    stages = [stage("a", each(lambda x: x + 1)), stage("b", each(lambda x: x * 2))]
    assert run(Flow(feed(range(500)), stages)) == [(x + 1) * 2 for x in range(500)]


def test_a_flow_without_stages_hands_the_source_on() -> None:
    assert run(Flow(feed(range(50)), [])) == list(range(50))
    assert run(Flow(feed([]), [stage("a", same)])) == []


def test_four_workers_of_random_delay_keep_the_order() -> None:
    chance = random.Random(1)
    delays_s = [chance.choice([0, 0, 0, 1e-4, 2e-3]) for _ in range(3000)]

    def slow(x: int) -> int:
        time.sleep(delays_s[x])
        return x

    got = run(Flow(feed(range(3000)), [stage("a", each(slow), workers=4), stage("b", same, workers=3)]))
    assert got == list(range(3000))


def test_all_workers_of_a_stage_work_at_once() -> None:
    together = threading.Barrier(4, timeout=PATIENCE_S)

    def meet(x: int) -> int:
        together.wait()
        return x

    assert run(Flow(feed(range(40)), [stage("a", each(meet), workers=4)])) == list(range(40))


def test_fast_workers_do_not_run_far_ahead_of_a_slow_one() -> None:
    begun: list[int] = []
    gate, far = threading.Event(), threading.Event()

    def step(x: int) -> int:
        begun.append(x)
        if len(begun) >= 10:
            far.set()
        if x == 0:
            wait(gate)
        return x

    with Flow[int](feed(range(1000)), [stage("a", each(step), workers=4)]) as flow:
        wait(far)
        time.sleep(0.1)  # to run ahead, if anything lets them
        assert len(begun) <= 3 * 4
        gate.set()
        assert list(flow) == list(range(1000))


def test_a_step_may_yield_none_or_several() -> None:
    stages = [
        stage("a", lambda batch: [x for x in batch if x % 3], workers=2),
        stage("b", lambda batch: (x for x in batch for _ in range(x % 4)), batch=3),
    ]
    want = [x for x in range(300) if x % 3 for _ in range(x % 4)]
    assert run(Flow(feed(range(300)), stages)) == want


def test_a_batch_is_what_waits_and_not_more_than_asked_for() -> None:
    batches: list[list[int]] = []
    all_read, first_taken = threading.Event(), threading.Event()

    def numbers() -> Iterator[int]:
        yield 0
        wait(first_taken)
        yield from range(1, 10)
        all_read.set()

    def step(batch: list[int]) -> list[int]:
        batches.append(list(batch))
        first_taken.set()
        wait(all_read)
        return batch

    assert run(Flow(feed(numbers()), [stage("a", step, batch=4)], capacity=9)) == list(range(10))
    assert batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_step_with_slots_gives_all_it_holds_at_the_end(workers: int, at_once: bool) -> None:
    a = slots_stage("a", lambda: Slots(3, lambda x: [x] * (x % 3), at_once), workers=workers, batch=2)
    assert run(Flow(feed(range(500)), [a])) == [x for x in range(500) for _ in range(x % 3)]


def test_a_step_with_slots_withholds_nothing_while_no_input_comes() -> None:
    seen = threading.Semaphore(0)

    def numbers() -> Iterator[int]:
        for x in range(30):
            yield x
            assert seen.acquire(timeout=PATIENCE_S), "the result was withheld"

    stages = [slots_stage("a", lambda: Slots(3, lambda x: [x])), slots_stage("b", lambda: Slots(2, lambda x: [x]))]
    assert run(Flow(feed(numbers()), stages), lambda x: seen.release()) == list(range(30))


def test_a_step_with_slots_goes_on_with_input_that_came_while_it_gave_the_oldest() -> None:
    calls: list[str] = []
    more, came = threading.Event(), threading.Event()

    class Watched(Slots):
        def __call__(self, batch: list[Any]) -> Iterator[Any]:
            calls.append(f"in {batch[0]}")
            return super().__call__(batch)

        def drain(self) -> Iterator[Any]:
            calls.append("drain")
            if calls.count("drain") == 1:
                more.set()
                wait(came)
            return super().drain()

    def numbers() -> Iterator[int]:
        yield from (0, 1)
        wait(more)
        yield 2
        came.set()

    assert run(Flow(feed(numbers()), [slots_stage("a", lambda: Watched(2, lambda x: [x]))])) == [0, 1, 2]
    assert calls[:4] == ["in 0", "in 1", "drain", "in 2"] or calls[:3] == ["in 0", "drain", "in 1"]


def test_each_worker_opens_uses_and_closes_its_step_in_its_own_thread() -> None:
    seen: dict[str, set[int]] = {}

    def note(part: str) -> None:
        seen.setdefault(part, set()).add(threading.get_ident())

    together = threading.Barrier(3, timeout=PATIENCE_S)

    @contextmanager
    def opened() -> Iterator[Step]:
        me = threading.get_ident()
        note("open")
        try:
            yield each(lambda x: (note("use"), together.wait(), x)[2])
        finally:
            assert threading.get_ident() == me
            note("close")

    @contextmanager
    def source() -> Iterator[Iterable[int]]:
        note("source")
        try:
            yield range(9)
        finally:
            note("source")

    assert run(Flow(source, [Stage("a", opened, workers=3)])) == list(range(9))
    assert seen["open"] == seen["use"] == seen["close"]
    assert len(seen["open"]) == 3
    assert len(seen["source"]) == 1
    assert not seen["source"] & seen["open"]
    assert threading.get_ident() not in seen["source"] | seen["open"]


# Errors.


def failing(part: str, where: str) -> Callable[[], AbstractContextManager[Any]]:
    """A source or a step that raises on opening, on its 8th item, on closing, or not at all."""

    def boom(here: str, x: int = 7) -> int:
        if part == where == here or (part == here and x == 7):
            raise ValueError(f"boom in {part}")
        return x

    @contextmanager
    def opened() -> Iterator[Any]:
        boom("open")
        yield each(lambda x: boom("step", x)) if where == "stage" else (boom("read", x) for x in range(20))
        boom("close")

    return opened


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("part", ["open", "read", "close"])
def test_an_error_of_the_source_reaches_the_caller(part: str, live: bool, workers: int) -> None:
    stages = [stage("a", same, workers=workers), stage("b", same)]
    with pytest.raises(ValueError, match=f"boom in {part}") as caught:
        run(Flow(failing(part, "source"), stages, live=live))
    assert caught.value.__notes__ == ["raised in stage 'capture'"]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("where", ["a", "b", "c"])
@pytest.mark.parametrize(
    ("part", "endless"),
    [("open", False), ("open", True), ("step", False), ("step", True), ("close", False)],
)
def test_an_error_of_a_stage_reaches_the_caller(part: str, where: str, workers: int, endless: bool) -> None:
    stages = [
        Stage(name, failing(part, "stage"), workers=workers) if name == where else stage(name, same, workers=2)
        for name in ("a", "b", "c")
    ]
    with pytest.raises(ValueError, match=f"boom in {part}") as caught:
        run(Flow(feed(count() if endless else range(20)), stages))
    assert caught.value.__notes__ == [f"raised in stage '{where}'"]


@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt, SystemExit])
def test_an_error_of_the_caller_stops_everything(kind: type[BaseException]) -> None:
    def body(x: int) -> None:
        if x == 3:
            raise kind(x)

    with pytest.raises(kind):
        run(Flow(feed(count()), [stage("a", same, workers=2)]), body)


def test_an_error_says_which_frame_it_was() -> None:
    @dataclass
    class Frame:
        index: int

    @dataclass
    class Prepared:
        frame: Frame

    def boom(batch: list[Prepared]) -> list[Prepared]:
        if batch[-1].frame.index >= 5:
            raise ValueError("boom")
        return batch

    stages = [stage("a", each(Prepared)), stage("b", boom)]
    with pytest.raises(ValueError, match="boom") as caught:
        run(Flow(feed(map(Frame, count())), stages))
    assert caught.value.__notes__ == ["raised in stage 'b' at frame 5"]


def test_the_first_error_wins() -> None:
    @contextmanager
    def bad_close() -> Iterator[Step]:
        try:
            yield same
        finally:
            raise RuntimeError("only because all was stopped")

    def boom(x: int) -> int:
        raise ValueError("the cause")

    with pytest.raises(ValueError, match="the cause"):
        run(Flow(feed(count()), [Stage("a", bad_close, workers=2), stage("b", each(boom))]))


def test_an_error_is_raised_once() -> None:
    with Flow[int](failing("read", "source"), [stage("a", same)]) as flow:
        with pytest.raises(ValueError, match="boom"):
            list(flow)
        assert list(flow) == []


def test_an_error_that_the_caller_did_not_wait_for_is_raised_on_leaving() -> None:
    raised = threading.Event()

    @contextmanager
    def source() -> Iterator[Iterable[int]]:
        try:
            yield iter(())
            raise ValueError("boom")
        finally:
            raised.set()

    def leave() -> None:
        with Flow[int](source, [stage("a", same)]):
            wait(raised)

    with pytest.raises(ValueError, match="boom"):
        leave()


def test_an_error_of_closing_after_a_break_is_raised() -> None:
    @contextmanager
    def bad_close() -> Iterator[Step]:
        try:
            yield same
        finally:
            raise OSError("could not finish the file")

    def first() -> None:
        with Flow[int](feed(count()), [Stage("a", bad_close)]) as flow:
            for _ in flow:
                break

    with pytest.raises(OSError, match="could not finish"):
        first()


def test_the_callers_error_mentions_that_of_a_stage() -> None:
    raised = threading.Event()

    def boom(x: int) -> int:
        raised.set()
        raise ValueError("boom")

    def body() -> None:
        with Flow[int](feed(range(3)), [stage("a", each(boom))]):
            wait(raised)
            time.sleep(0.05)  # from the raise to where the flow gets to know of it
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        body()
    assert caught.value.__notes__ == ["before it: ValueError('boom') raised in stage 'a'"]


def test_a_context_that_swallows_its_steps_error_does_not_hide_it() -> None:
    class Swallows:
        def __enter__(self) -> Step:
            return each(lambda x: 1 // (x - 5))

        def __exit__(self, *error: object) -> bool:
            return True

    with pytest.raises(ZeroDivisionError):
        run(Flow(feed(range(20)), [Stage("a", Swallows), stage("b", same)]))


def test_stop_iteration_in_a_step_is_an_error_not_the_end() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        run(Flow(feed(range(20)), [stage("a", each(lambda x: next(iter(()))))]))


def test_a_step_that_gives_no_iterable_is_named() -> None:
    with pytest.raises(TypeError) as caught:
        run(Flow(feed(range(20)), [stage("a", lambda batch: None)]))  # type: ignore[arg-type,return-value]
    assert caught.value.__notes__ == ["raised in stage 'a'"]


def test_a_stage_can_tell_done_from_cut_short() -> None:
    seen: list[type[BaseException] | None] = []

    class Watched:
        def __enter__(self) -> Step:
            return same

        def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
            seen.append(kind)

    run(Flow(feed(range(5)), [Stage("a", Watched)]))
    with Flow[int](feed(count()), [Stage("a", Watched)]) as flow:
        next(flow)
    assert seen == [None, Cancelled]


# Hanging.


def stuck_flow(gate: threading.Event, **options: Any) -> tuple[Flow[int], threading.Event]:
    hangs = threading.Event()

    def hang(x: int) -> int:
        hangs.set()
        gate.wait(PATIENCE_S)
        return x

    return Flow(feed(count()), [stage("a", same), stage("b", each(hang))], **options), hangs


def let_go(gate: threading.Event) -> None:
    gate.set()
    for thread in threading.enumerate():
        if thread.name in ("a", "b"):
            thread.join(PATIENCE_S)


def test_a_stuck_stage_is_named_on_leaving() -> None:
    gate = threading.Event()
    flow, hangs = stuck_flow(gate, join_timeout_s=0.1)

    def leave() -> None:
        with flow:
            wait(hangs)

    with pytest.raises(TimeoutError, match=r"^still running 0\.1 s after the stop: b$"):
        leave()
    let_go(gate)


def test_a_stuck_stage_is_noted_on_the_callers_own_error() -> None:
    gate = threading.Event()
    flow, hangs = stuck_flow(gate, join_timeout_s=0.1)

    def leave() -> None:
        with flow:
            wait(hangs)
            raise KeyError

    with pytest.raises(KeyError) as caught:
        leave()
    assert caught.value.__notes__ == ["still running 0.1 s after the stop: b"]
    let_go(gate)


def test_the_watchdog_names_the_stage_that_makes_no_progress() -> None:
    gate = threading.Event()
    flow, _ = stuck_flow(gate, join_timeout_s=0.1, stall_s=0.2)
    with pytest.raises(StallError, match=r"^stage 'b' made no progress for 0\.2 s"):
        run(flow)
    let_go(gate)


@pytest.mark.parametrize("part", ["open", "drain", "close"])
def test_the_watchdog_sees_a_stage_that_hangs_elsewhere(part: str) -> None:
    gate = threading.Event()

    class Hangs:
        def hang(self, here: str) -> None:
            if here == part:
                gate.wait(PATIENCE_S)

        def __enter__(self) -> Hangs:
            self.hang("open")
            return self

        def __call__(self, batch: list[int]) -> list[int]:
            return batch

        def drain(self) -> list[int]:
            self.hang("drain")
            return []

        def __exit__(self, *error: object) -> None:
            self.hang("close")

    with pytest.raises(StallError, match="stage 'b' made no progress"):
        run(Flow(feed(range(3)), [stage("a", same), Stage("b", Hangs)], join_timeout_s=0.1, stall_s=0.2))
    let_go(gate)


def test_waiting_is_no_stall() -> None:
    pause_s = 1.2

    def numbers() -> Iterator[int]:
        yield 0
        time.sleep(pause_s)  # a quiet source
        yield from range(1, 20)

    @contextmanager
    def slow_to_open() -> Iterator[Step]:
        time.sleep(pause_s)  # before any input has come this far
        yield same

    def slow_caller(x: int) -> None:
        if x == 10:
            time.sleep(pause_s)

    stages = [stage("a", lambda batch: [x for x in batch if x], workers=2), Stage("b", slow_to_open)]
    assert run(Flow(feed(numbers()), stages, stall_s=0.6), slow_caller) == list(range(1, 20))


# Live sources.


def gated_live(items: int, gate: threading.Event) -> Flow[int]:
    def numbers() -> Iterator[int]:
        yield from range(items)
        gate.set()  # reached only if the source never waits

    return Flow(feed(numbers()), [stage("a", each(lambda x: (wait(gate), x)[1])), stage("b", same)], live=True)


def test_a_live_source_never_waits_and_the_newest_is_kept() -> None:
    flow = gated_live(1000, threading.Event())
    got = run(flow)
    assert got[-1] == 999
    assert got == sorted(set(got))
    assert len(got) <= 2  # what the stage had, and the newest
    assert flow.drops == {"newest": 1000 - len(got)}
    assert not flow.ended_early


def test_what_a_live_source_made_is_delivered_or_counted() -> None:
    def numbers() -> Iterator[int]:
        for x in range(2000):
            yield x
            if x % 50 == 0:
                time.sleep(1e-3)

    stages = [stage("a", same, workers=3), stage("b", same, batch=4)]
    flow = Flow[int](feed(numbers()), stages, live=True)
    got = run(flow)
    assert got == sorted(set(got))
    assert len(got) + sum(flow.drops.values()) == 2000
    assert set(flow.drops) <= {"newest"}


@pytest.mark.parametrize("in_flight", [1, 2, 5])
def test_the_age_of_a_live_frame_is_bounded(in_flight: int) -> None:
    produced, burst = 0, 10
    asked, answered = threading.Semaphore(0), threading.Semaphore(0)

    def numbers() -> Iterator[int]:
        nonlocal produced
        while True:
            for _ in range(burst):
                produced += 1
                yield produced
            answered.release()
            asked.acquire(timeout=PATIENCE_S)

    stages = [stage(name, same, capacity=8) for name in "abc"]
    with Flow[int](feed(numbers()), stages, live=True, in_flight=in_flight) as flow:
        for turn, x in enumerate(flow):
            # It was the newest when it passed the drop point; since then every frame before it took a turn.
            assert produced - x <= burst * (in_flight + 1)
            if turn == 50:
                break
            assert answered.acquire(timeout=PATIENCE_S)
            asked.release()
        flow.end()
        asked.release()


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("in_flight", [1, 3])
def test_no_more_than_in_flight_are_behind_the_drop_point(in_flight: int, live: bool) -> None:
    lock, inside, most = threading.Lock(), 0, 0

    def enter(x: int) -> int:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        return x

    def leave(x: int) -> None:  # the caller has it until it asks for the next one: one less is inside then
        nonlocal inside
        time.sleep(1e-4)
        with lock:
            inside -= 1

    stages = [stage("a", each(enter), workers=2, capacity=9), stage("b", same, batch=3, capacity=9)]
    run(Flow(feed(range(400)), stages, live=live, in_flight=in_flight, capacity=9), leave)
    assert most == in_flight if not live else most <= in_flight


@pytest.mark.parametrize("workers", [1, 3])
def test_credits_come_back_however_a_message_ends(workers: int) -> None:
    def merge(batch: list[int]) -> list[int]:
        return [sum(batch)]

    def thin(x: int) -> list[int]:
        return [x] * (x % 3)

    stages = [
        stage("none or several", lambda batch: [y for x in batch for y in thin(x)], workers=workers),
        slots_stage("slots", lambda: Slots(2, thin), workers=workers),
        stage("merged", merge, batch=2),
    ]
    want = sum(x for x in range(500) for _ in range((x % 3) ** 2))
    for in_flight in (1, 2, 5):
        assert sum(run(Flow(feed(range(500)), stages, in_flight=in_flight))) == want


# Leases.


@dataclass
class Message:
    index: int
    lease: Lease[list[int]]


class Buffers:
    """A pool whose buffers say what is in them, and count what happens to them."""

    def __init__(self) -> None:
        self.pool: Pool[list[int]] = Pool(lambda: [0], self._poison)
        self.borrowed = 0
        self.spoilt: list[int] = []

    def _poison(self, buffer: list[int]) -> None:
        self.spoilt.append(buffer[0])
        buffer[0] = -1

    def source(self, items: Iterable[int]) -> Iterator[Message]:
        for index in items:
            lease = self.pool.acquire()
            lease.value[0] = index
            self.borrowed += 1
            yield Message(index, lease)

    def check_all_came_back_once(self) -> None:
        assert len(self.spoilt) == self.borrowed
        assert -1 not in self.spoilt  # given back twice


def intact(message: Message) -> Message:
    assert message.lease.value[0] == message.index
    return message


def boom_at_20(message: Message) -> Message:
    if message.index == 20:
        raise ValueError("boom")
    return intact(message)


WAYS_OUT = ["end", "break", "cancel", "caller", "step", "slow"]


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("way", WAYS_OUT)
def test_a_lease_is_released_once_in_each_way_out(way: str, workers: int, live: bool) -> None:
    buffers = Buffers()
    items = range(200) if way in ("end", "slow") else count()

    def body(flow: Flow[Message]) -> None:
        with flow:
            for number, message in enumerate(flow):
                intact(message)
                time.sleep(1e-3 if way == "slow" else 0)
                intact(message)
                if number == 20 and way == "break":
                    break
                if number == 20 and way == "cancel":
                    flow.cancel()
                if number == 20 and way == "caller":
                    raise ValueError("boom")

    step = each(boom_at_20 if way == "step" and not live else intact)
    if way == "step" and live:
        calls = count()
        step = each(lambda message: 1 // (next(calls) - 20) and message)
    stages = [
        stage("a", each(intact), workers=workers, batch=2),
        stage("b", step, batch=3),
        stage("c", each(intact), workers=workers),
    ]
    flow = Flow[Message](feed(buffers.source(items)), stages, live=live)
    if way in ("caller", "step"):
        with pytest.raises((ValueError, ZeroDivisionError)):
            body(flow)
    else:
        body(flow)
    buffers.check_all_came_back_once()
    if not live:
        assert buffers.pool.made <= 40
    assert flow.ended_early == (way not in ("end", "slow"))


def test_the_caller_has_its_message_until_it_asks_for_the_next_or_leaves() -> None:
    buffers = Buffers()
    with Flow[Message](feed(buffers.source(count())), [stage("a", same)]) as flow:
        first = next(flow)
        intact(first)
        for second in flow:  # noqa: B007
            break
        assert first.index in buffers.spoilt
        time.sleep(0.02)
        intact(second)  # a break is not a leave
    buffers.check_all_came_back_once()


def test_results_of_a_step_that_raises_later_are_given_back() -> None:
    buffers = Buffers()

    def half(batch: list[Message]) -> Iterator[Message]:
        for message in batch:
            message.lease.release()
            lease = buffers.pool.acquire()
            buffers.borrowed += 1
            lease.value[0] = message.index
            yield Message(message.index, lease)
            if message.index >= 10:
                raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        run(Flow(feed(buffers.source(count())), [stage("a", half, batch=2)]))
    buffers.check_all_came_back_once()


def test_several_leases_of_a_message_are_all_released() -> None:
    pool: Pool[list[int]] = Pool(lambda: [0])
    source = feed((pool.acquire(), pool.acquire()) for _ in range(50))
    run(Flow(source, [stage("a", same)], leases=lambda pair: pair))
    assert len(pool._free) == pool.made


def test_a_broken_release_leaves_no_thread() -> None:
    def broken(item: int) -> list[Any]:
        raise RuntimeError("no leases here")

    with pytest.raises(RuntimeError, match="no leases here"):
        run(Flow(feed(count()), [stage("a", same)], leases=broken))


def test_a_pool_makes_what_is_needed_at_once_and_no_more() -> None:
    pool: Pool[object] = Pool(object)
    for _ in range(100):
        leases = [pool.acquire() for _ in range(3)]
        assert len({id(lease.value) for lease in leases}) == 3
        for lease in leases:
            lease.release()
    assert pool.made == 3


def test_a_lease_given_back_by_many_threads_at_once_comes_back_once() -> None:
    spoilt: list[object] = []
    pool: Pool[object] = Pool(object, spoilt.append)
    for turn in range(50):
        lease = pool.acquire()
        together = threading.Barrier(4)
        threads = [threading.Thread(target=lambda: (together.wait(), lease.release())) for _ in range(4)]  # noqa: B023
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(spoilt) == turn + 1
    assert pool.made == 1


# Stops.


def test_end_lets_out_what_is_under_way() -> None:
    read: list[int] = []

    def numbers() -> Iterator[int]:
        for x in count():
            read.append(x)
            yield x

    stages = [stage("a", same, workers=2, capacity=4), slots_stage("b", lambda: Slots(2, lambda x: [x]))]
    with Flow[int](feed(numbers()), stages) as flow:
        got = []
        for x in flow:
            got.append(x)
            if x == 10:
                flow.end()
                flow.end()
    assert got == read
    assert flow.ended_early
    assert flow.drops == {}


def test_a_flow_read_to_its_end_did_not_end_early() -> None:
    with Flow[int](feed(range(10)), [stage("a", same)]) as flow:
        assert list(flow) == list(range(10))
        assert not flow.ended_early
        flow.end()
        flow.cancel()
    assert not flow.ended_early


@pytest.mark.parametrize("stop", ["end", "cancel"])
def test_a_stop_before_the_start_opens_no_source(stop: str) -> None:
    opened: list[str] = []

    @contextmanager
    def source() -> Iterator[Iterable[int]]:
        opened.append("source")
        yield range(3)

    flow = Flow[int](source, [stage("a", same)])
    getattr(flow, stop)()
    assert run(flow) == []
    assert opened == []
    assert flow.ended_early


@pytest.mark.parametrize("stop", ["end", "cancel"])
@pytest.mark.parametrize("live", [False, True])
def test_end_and_cancel_are_legal_in_every_state(stop: str, live: bool) -> None:
    flow = Flow[int](feed(count()), [stage("a", same, workers=2)], live=live)
    with flow:
        next(flow)
        getattr(flow, stop)()
        getattr(flow, stop)()
        list(flow)
        getattr(flow, stop)()
        assert list(flow) == []
    for name in ("end", "cancel", "end"):
        getattr(flow, name)()
    assert list(flow) == []
    assert flow.ended_early


def test_cancel_from_another_thread_wakes_a_caller_who_waits() -> None:
    waits = threading.Event()

    def numbers() -> Iterator[int]:
        yield 0
        waits.set()
        flow.stopping.wait(PATIENCE_S)

    flow = Flow[int](feed(numbers()), [stage("a", lambda batch: [])])
    other = threading.Thread(target=lambda: (wait(waits), time.sleep(0.05), flow.cancel()))
    other.start()
    assert run(flow) == []
    other.join()


def test_a_source_that_waits_can_look_whether_it_should_stop() -> None:
    def numbers() -> Iterator[int]:
        yield 0
        while not flow.stopping():
            flow.stopping.wait(PATIENCE_S)
        yield 1

    flow = Flow[int](feed(numbers()), [stage("a", same)])
    assert run(flow, lambda x: flow.end()) == [0, 1]


def test_a_generator_is_closed_in_the_thread_of_its_source() -> None:
    closed: list[str] = []

    def numbers() -> Iterator[int]:
        try:
            yield from count()
        finally:
            closed.append(threading.current_thread().name)

    with Flow[int](feed(numbers()), [stage("a", same)], source_name="camera") as flow:
        next(flow)
    assert closed == ["camera"]


def test_a_stage_counts_what_it_drops_itself() -> None:
    def thin(batch: list[int]) -> list[int]:
        flow.count_drop("dark", sum(x % 2 for x in batch))
        return [x for x in batch if x % 2 == 0]

    flow = Flow[int](feed(range(10)), [stage("a", thin)])
    assert run(flow) == [0, 2, 4, 6, 8]
    assert flow.drops == {"dark": 5}


def test_misuse_is_refused() -> None:
    flow = Flow[int](feed([]), [])
    with pytest.raises(RuntimeError, match="inside its `with`"):
        next(flow)
    run(flow)
    with pytest.raises(RuntimeError, match="used once"):
        run(flow)
    with pytest.raises(ValueError, match="workers must be at least 1"):
        stage("a", same, workers=0)
    with pytest.raises(ValueError, match="names of their own"):
        Flow(feed([]), [stage("a", same), stage("a", same)])
    with pytest.raises(ValueError, match="in_flight must be at least 1"):
        Flow(feed([]), [], in_flight=0)


# Ctrl-C.


def test_the_old_handler_comes_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    flow = Flow[int](feed(count()), [stage("a", same)])
    got = []
    with flow, drain_on_interrupt(flow):
        for x in flow:
            got.append(x)
            if x == 5:
                signal.raise_signal(signal.SIGINT)
    assert got == list(range(len(got)))
    assert flow.ended_early
    assert signal.getsignal(signal.SIGINT) is before


CHILD = """
import sys, threading, time
from contextlib import contextmanager
from itertools import count
from pipeline.flow import Flow, Stage, drain_on_interrupt

read = 0

def numbers():
    global read
    for read in count(1):
        yield read
        time.sleep(1e-3)

@contextmanager
def source():
    yield numbers()

def step(batch):
    if sys.argv[1] == "hangs" and batch[0] == 5:
        print("ready", flush=True)
        flow.stopping.wait()
        print("stopping", flush=True)
        threading.Event().wait()
    return batch

@contextmanager
def opened():
    yield step

flow = Flow(source, [Stage("a", opened, capacity=5)])
got = 0
with flow, drain_on_interrupt(flow):
    for item in flow:
        got += 1
        assert item == got
        if got == 20:
            print("ready", flush=True)
print("drained", got == read > 20, flush=True)
"""


def child(kind: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, kind], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    )


def test_ctrl_c_drains() -> None:
    with child("works") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "drained True\n"
    assert process.returncode == 0


def test_a_second_ctrl_c_exits_at_once() -> None:
    with child("hangs") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
    assert process.returncode == 130


# Any graph.


@dataclass(frozen=True)
class Plan:
    """A stage of a random graph: message x becomes copies[x % len(copies)] messages."""

    copies: list[int]
    slots: int
    at_once: bool
    workers: int
    batch: int
    capacity: int

    def results(self, x: int) -> list[int]:
        return [x * 7 + k for k in range(self.copies[x % len(self.copies)])]

    def stage(self, number: int) -> Stage:
        options = {"workers": self.workers, "batch": self.batch, "capacity": self.capacity}

        def step(batch: list[int]) -> list[int]:
            if batch[0] % 5 == 0:
                time.sleep(1e-4)
            return [y for x in batch for y in self.results(x)]

        if self.slots:
            make = lambda: Slots(self.slots, self.results, self.at_once)  # noqa: E731
            return slots_stage(f"s{number}", make, **options)
        return stage(f"s{number}", step, **options)


PLANS = st.lists(
    st.builds(
        Plan,
        copies=st.lists(st.integers(0, 2), min_size=1, max_size=4),
        slots=st.integers(0, 3),
        at_once=st.booleans(),
        workers=st.integers(1, 4),
        batch=st.integers(1, 3),
        capacity=st.integers(1, 3),
    ),
    max_size=4,
)


def in_sequence(items: int, plans: list[Plan]) -> list[int]:
    messages = list(range(items))
    for plan in plans:
        messages = [y for x in messages for y in plan.results(x)]
    return messages


@settings(max_examples=80, deadline=None)
@given(PLANS, st.integers(0, 60), st.none() | st.integers(1, 5), st.integers(1, 3))
def test_any_graph_gives_what_a_plain_loop_gives(
    plans: list[Plan], items: int, in_flight: int | None, capacity: int
) -> None:
    stages = [plan.stage(number) for number, plan in enumerate(plans)]
    flow = Flow[int](feed(range(items)), stages, in_flight=in_flight, capacity=capacity, stall_s=PATIENCE_S)
    assert run(flow) == in_sequence(items, plans)
    assert flow.drops == {}
    assert not flow.ended_early


@settings(max_examples=40, deadline=None)
@given(PLANS, st.integers(0, 40), st.integers(0, 40), st.sampled_from(["break", "cancel", "error"]))
def test_any_graph_cut_short_gave_a_beginning(plans: list[Plan], items: int, cut: int, way: str) -> None:
    def numbers() -> Iterator[int]:
        for x in range(items):
            if x == cut and way == "error":
                raise ValueError("boom")
            yield x

    got: list[int] = []

    def body() -> None:
        with Flow[int](feed(numbers()), [plan.stage(number) for number, plan in enumerate(plans)]) as flow:
            for x in flow:
                got.append(x)
                if len(got) == cut and way == "break":
                    break
                if len(got) == cut and way == "cancel":
                    flow.cancel()

    if way == "error" and cut < items:
        with pytest.raises(ValueError, match="boom"):
            body()
    else:
        body()
    assert got == in_sequence(items, plans)[: len(got)]
