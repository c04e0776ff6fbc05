"""The flow with several sources: each keeps its order and its newest, all take turns, one that fails stays alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from flow_parts import each, feed, run, same, stage, wait
from flow_parts import no_thread_is_left as no_thread_is_left

from pipeline.flow import Flow
from pipeline.flow.junction import Junction

pytestmark = pytest.mark.timeout(60)

Item = tuple[int, int]  # number of the source, number in it


def sourced(item: Item) -> int:
    return item[0]


def counted(source: int, items: int) -> list[Item]:
    return [(source, number) for number in range(items)]


def several(feeds: Sequence[Any], stages: Sequence[Any], **options: Any) -> Flow[Item]:
    return Flow([feed(items) for items in feeds], stages, source_of=sourced, **options)


@pytest.mark.parametrize("workers", [1, 3])
def test_each_source_keeps_its_order_and_nothing_is_lost(workers: int) -> None:
    flow = several([counted(k, 200 + k) for k in range(3)], [stage("a", same, workers=workers), stage("b", same)])
    got = run(flow)
    for source in range(3):
        assert [item for item in got if item[0] == source] == counted(source, 200 + source)
    assert [ledger.captured for ledger in flow.ledgers] == [200, 201, 202]
    assert flow.drops == {}


def test_sources_that_have_a_frame_are_served_in_turn() -> None:
    junction = Junction([False] * 3, 4, lambda item, cause: None, credits=5)
    for source, items in ((0, 4), (1, 1), (2, 2)):
        junction.places[source].put(counted(source, items))
    got: list[Item] = []
    junction.get(got, 2)
    more: list[Item] = []
    junction.get(more, 9)  # three credits are left
    assert [source for source, _ in got + more] == [0, 1, 2, 0, 2]
    junction.give_back(2)
    last: list[Item] = []
    junction.get(last, 9)
    assert last == [(0, 2), (0, 3)]


def test_live_sources_keep_their_own_newest_and_all_is_counted() -> None:
    gate = threading.Event()
    flow = several(
        [counted(0, 1000), counted(1, 500)], [stage("a", each(lambda item: (wait(gate), item)[1]))], live=True
    )
    with flow:
        until(lambda: [ledger.captured for ledger in flow.ledgers] == [1000, 500])
        gate.set()
        got = list(flow)
    for source, last in ((0, 999), (1, 499)):
        mine = [number for k, number in got if k == source]
        assert mine[-1] == last
        assert len(mine) + flow.ledgers[source].drops.get("newest", 0) == last + 1


def test_a_source_that_fails_is_told_and_the_others_go_on() -> None:
    def broken() -> Iterator[Item]:
        yield 1, 0
        raise OSError("gone")

    told: list[tuple[int, Exception]] = []
    flow = Flow[Item](
        [feed(counted(0, 50)), feed(broken())],
        [stage("a", same)],
        source_of=sourced,
        source_failed=lambda number, error: told.append((number, error)) or True,
    )
    got = run(flow)
    assert [item for item in got if item[0] == 0] == counted(0, 50)
    assert (1, 0) in got
    assert [(number, str(error)) for number, error in told] == [(1, "gone")]
    with pytest.raises(OSError, match="gone"):  # where nobody takes it, it ends the flow
        run(several([counted(0, 50), broken()], [stage("a", same)]))


def test_cancelling_wakes_sources_that_wait_for_room() -> None:
    flow = several([counted(k, 10_000) for k in range(3)], [stage("a", same)])
    with flow:
        next(flow)
    assert all(ledger.captured < 10_000 for ledger in flow.ledgers)


def test_a_flow_that_ticks_gives_none_while_nothing_comes_and_does_not_wait_for_a_read_at_the_end() -> None:
    reading, release = threading.Event(), threading.Event()

    def stuck() -> Iterator[Item]:
        yield 0, 0
        reading.set()
        wait(release)
        yield 0, 1

    got: list[Item | None] = []
    flow = several([stuck(), counted(1, 1)], [stage("a", same)])
    with flow:
        for item in flow.ticking(0.02):
            got.append(item)
            if got.count(None) == 3:
                assert reading.is_set()
                flow.end()
        release.set()
    assert {item for item in got if item is not None} == {(0, 0), (1, 0)}
    assert flow.ended_early


def until(true: Callable[[], bool], patience_s: float = 20) -> None:
    end_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.001)
