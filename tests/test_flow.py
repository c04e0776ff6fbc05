"""The flow: order, batches, slots, threads."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flow_parts import PATIENCE_S, Slots, each, feed, run, same, slots_stage, stage, wait
from flow_parts import no_thread_is_left as no_thread_is_left

from pipeline.flow import Flow, Stage, Step

pytestmark = pytest.mark.timeout(60)


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


def test_the_flow_needs_nothing_but_the_standard_library() -> None:
    script = "import sys; import pipeline.flow; sys.exit(bool({'numpy', 'cv2', 'msgspec'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[1])


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
