"""The flow with a live source: the newest is kept, the rest counted, the age bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from flow_parts import PATIENCE_S, Slots, each, feed, run, same, slots_stage, stage, wait
from flow_parts import no_thread_is_left as no_thread_is_left

from pipeline.flow import Flow

pytestmark = pytest.mark.timeout(60)


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


def test_a_live_flow_has_by_default_one_more_under_way_than_its_largest_stage_has_workers() -> None:
    begun: list[int] = []
    all_read = threading.Event()

    def numbers() -> Iterator[int]:
        yield from range(1000)
        all_read.set()

    stages = [stage("a", each(lambda x: begun.append(x) or x), workers=2, capacity=9), stage("b", same, capacity=9)]
    with Flow[int](feed(numbers()), stages, live=True) as flow:
        next(flow)
        wait(all_read)
        time.sleep(0.05)  # to take more, if anything lets them
        assert len(begun) <= 3
        assert len(list(flow)) + 1 == len(begun)
        assert begun[-1] == 999


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
