"""What the GPU backends share: one thread, and several slots whose work overlaps.

A slot is a stream with an event and, for each kind and shape of what comes in, pinned memory, device memory and a
recorded piece of work. While one slot computes, another one uploads and a third one downloads. What the work is a
`Job` says: `tensors` has the network alone, `frames` the whole way of a frame.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from engines.device.base import Device, Stream
from engines.device.errors import DeviceLostError
from engines.device.ledger import free_each
from engines.device.timeline import Timeline
from pipeline.errors import BackendError

_MOST_WORKS = 4  # that a slot keeps memory for; footage has one shape, a folder of pictures may have many
_GRAPH_AFTER = 2  # starts: see engines.device.recorded

Item = TypeVar("Item")
Result = TypeVar("Result")
Taken = TypeVar("Taken", contravariant=True)  # an item, where it is only taken


class Work(Protocol[Taken, Result]):
    """What is done for one shape of items, in memory of its own."""

    def put(self, items: Sequence[Taken]) -> None:
        """Copy them to where the device takes them from."""
        ...

    def start(self, stream: Stream) -> None:
        """Put it all into the stream."""
        ...

    def take(self, items: Sequence[Taken]) -> list[Result]:
        """What came of them, in new memory; the stream is past all of it."""
        ...

    def close(self) -> None:
        """Free the memory; legal twice. The work must be done."""
        ...


class Job(Protocol[Taken, Result]):
    """What a backend does with one kind of item."""

    def key(self, item: Taken) -> Hashable:
        """Items of the same key run at once."""
        ...

    def rows(self, key: Any, most: int) -> int:
        """How many items of that key run at once, at most `most`.

        Raises:
            BackendError: not one.
        """
        ...

    def work(self, key: Any, rows: int, stream: Stream) -> Work[Taken, Result]:
        """Memory for so many items of that key.

        Raises:
            BackendError: they cannot be taken, or there is too little memory.
        """
        ...


class _Slot:
    def __init__(self, device: Device) -> None:
        self.stream = device.stream()
        self.began, self.event = device.event(timed=True), device.event(timed=True)
        self.works: OrderedDict[tuple[Any, Hashable, int], Work[Any, Any]] = OrderedDict()

    def work(self, job: Job[Item, Result], key: Hashable, rows: int) -> Work[Item, Result]:
        place = (job, key, rows)
        if (work := self.works.get(place)) is None:
            if len(self.works) >= _MOST_WORKS:
                self.works.popitem(last=False)[1].close()
            work = self.works[place] = job.work(key, rows, self.stream)
        self.works.move_to_end(place)
        return work

    def close(self) -> None:
        works, self.works = self.works, OrderedDict()
        free_each(work.close for work in works.values())


@dataclass(slots=True, eq=False)
class _Part(Generic[Item, Result]):
    """A piece of a ticket that runs in one slot."""

    items: Sequence[Item]
    slot: _Slot
    work: Work[Item, Result]
    results: list[Result] | None = None
    error: BackendError | None = None


class SlotTicket(Generic[Item, Result]):
    """See base.Ticket and base.FrameTicket."""

    def __init__(self, slots: Slots, parts: Sequence[_Part[Item, Result]]) -> None:
        self._slots, self._parts = slots, parts

    def result(self) -> list[Result]:
        """Wait for it."""
        return [result for part in self._parts for result in self._slots.finish(part)]


class Slots:
    """So many slots of a device, which is current whenever one of its methods is called but `finish`."""

    def __init__(
        self, device: Device, count: int, stamp: Callable[[Any, tuple[float, float]], None] = lambda item, span: None
    ) -> None:
        """Make them; `stamp` is told of each item when the device worked on it, from its upload to its download."""
        self._device = device
        self._slots = [_Slot(device) for _ in range(count)]
        self._timeline, self._stamp = Timeline(device), stamp
        self._idle = deque(self._slots)
        self._flying: deque[_Part[Any, Any]] = deque()  # oldest first
        self._open = True

    def warm(self, job: Job[Any, Any], key: Hashable) -> None:
        """Run noughts in every slot, until each has its graph; what cannot run fails here.

        Raises:
            BackendError: the work does not run.
        """
        for slot in self._slots:
            for _ in range(_GRAPH_AFTER):
                slot.work(job, key, 1).start(slot.stream)
            slot.stream.synchronize()

    def forget(self, job: Job[Any, Any]) -> None:
        """Free what slots keep for a job, of which nothing is under way."""
        for slot in self._slots:
            self._settle(slot)
            free_each(slot.works.pop(place).close for place in [place for place in slot.works if place[0] is job])

    def submit(self, job: Job[Item, Result], items: Sequence[Item]) -> SlotTicket[Item, Result]:
        """Begin; where all slots are busy, first wait for the one that began first."""
        return SlotTicket(self, [self._begin(job, key, some) for key, some in _alike(job, items)])

    def _begin(self, job: Job[Item, Result], key: Hashable, items: Sequence[Item]) -> _Part[Item, Result]:
        if not self._idle:
            self._wait(self._flying[0])
        slot = self._idle.popleft()
        try:
            work = slot.work(job, key, len(items))
            work.put(items)
            self._timeline.refresh(slot.stream)
            slot.began.record(slot.stream)
            work.start(slot.stream)
            slot.event.record(slot.stream)
        except BaseException as error:
            self._idle.append(slot)
            lost = self._settle(slot)
            if lost is None or isinstance(error, DeviceLostError) or not isinstance(error, BackendError):
                raise
            raise lost from error  # a runtime only says that it could not run
        part = _Part(items, slot, work)
        self._flying.append(part)
        return part

    def _settle(self, slot: _Slot) -> DeviceLostError | None:
        """Wait for what was begun in a slot and is of no use: its memory is written to next."""
        try:
            slot.stream.synchronize()
        except DeviceLostError as lost:
            return lost
        except BackendError:
            pass  # the error that led here is told
        return None

    def finish(self, part: _Part[Item, Result]) -> list[Result]:
        """What came of a part, in new memory."""
        if part.results is None and part.error is None:
            if not self._open:
                raise RuntimeError("the backend was closed before its result was asked for")
            with self._device.current():
                self._wait(part)
        if part.error is not None:
            raise part.error
        assert part.results is not None
        return part.results

    def _wait(self, part: _Part[Any, Any]) -> None:
        try:
            part.slot.event.synchronize()
            span = self._timeline.span(part.slot.began, part.slot.event)
            for item in part.items:
                self._stamp(item, span)
            part.results = part.work.take(part.items)
        except BackendError as error:
            part.error = error  # belongs to that ticket, not to who needed its slot
        finally:
            self._flying.remove(part)
            self._idle.append(part.slot)

    def close(self) -> None:
        """Free the memory of all works; results that were asked for stay valid."""
        self._open = False
        settle = (partial(self._settle, slot) for slot in self._slots)
        free_each((*settle, *(slot.close for slot in self._slots)))


def _alike(job: Job[Item, Any], items: Sequence[Item]) -> Iterator[tuple[Hashable, Sequence[Item]]]:
    """Cut items into pieces that run at once, each with its key."""
    keys = [job.key(item) for item in items]
    start = 0
    while start < len(items):
        end = start + 1
        while end < len(items) and keys[end] == keys[start]:
            end += 1
        end = start + job.rows(keys[start], end - start)
        yield keys[start], items[start:end]
        start = end
