"""Sources, stages and buffers for the tests of the flow."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.flow import Flow, Lease, Pool, Stage, Step

PATIENCE_S = 20  # a wait that takes so long has failed


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
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
