"""The flow: end drains, cancel stops, in every state."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from flow_parts import PATIENCE_S, Slots, each, feed, run, same, slots_stage, stage, wait
from flow_parts import no_thread_is_left as no_thread_is_left

from pipeline.flow import Flow

pytestmark = pytest.mark.timeout(60)


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


def test_what_a_stop_cost_is_counted() -> None:
    all_read = threading.Event()

    def numbers() -> Iterator[int]:
        yield from range(4)
        all_read.set()

    flow = Flow[int](feed(numbers()), [], capacity=9)
    with flow:
        wait(all_read)
        next(flow)
    assert flow.drops == {"cancelled": 3}
    flow = Flow[int](feed(range(1)), [stage("a", each(lambda x: 1 // x))])
    with pytest.raises(ZeroDivisionError):
        run(flow)
    assert flow.drops == {"failed": 1}
