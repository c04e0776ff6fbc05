"""Pooled buffers: borrowed once, given back once, whichever way a message leaves the flow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from flow_parts import Buffers, Message, each, feed, intact, run, same, stage
from flow_parts import no_thread_is_left as no_thread_is_left

from pipeline.flow import Flow, Pool

pytestmark = pytest.mark.timeout(60)


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
