"""The flow: every error arrives, the first one wins, nothing is left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from flow_parts import each, feed, run, same, stage, wait
from flow_parts import no_thread_is_left as no_thread_is_left

from pipeline.flow import Cancelled, Flow, Stage, Step

pytestmark = pytest.mark.timeout(60)


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
