"""What the GPU backends share: one thread, and several slots whose work overlaps.

A slot is a stream with an event and, for each shape of the input, pinned memory, device memory and a recorded piece
of work. While one slot computes, another one uploads and a third one downloads.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.backends.base import Ticket, check_input
from engines.device.base import Device, Stream
from engines.device.ledger import free_each
from engines.device.timeline import Timeline
from pipeline.errors import BackendError
from pipeline.types import Card, Inferred, Prepared

Shape = tuple[int, ...]
_MOST_SHAPES = 4  # that a slot keeps memory for; footage has one, a folder of pictures may have many
_GRAPH_AFTER = 2  # starts: see engines.device.recorded


class Work(Protocol):
    """What a network does for one shape of its input, in memory of its own."""

    @property
    def input(self) -> NDArray[Any]:
        """Pinned, (rows, ...)."""
        ...

    @property
    def outputs(self) -> Sequence[NDArray[Any]]:
        """Pinned, (rows, ...) each, in the card's order."""
        ...

    def start(self, stream: Stream) -> None:
        """Put it all into the stream, from `input` to `outputs`."""
        ...

    def close(self) -> None:
        """Free the memory; legal twice. The work must be done."""
        ...


class Runtime(Protocol):
    """A network that is loaded on the device."""

    def rows(self, shape: Shape, most: int) -> int:
        """How many frames of that shape (1, ...) run at once, at most `most`.

        Raises:
            BackendError: not one.
        """
        ...

    def work(self, shape: Shape, stream: Stream) -> Work:
        """Memory for an input of that shape (rows, ...)."""
        ...

    def close(self) -> None:
        """Let go of the network; legal twice. All of its work was closed."""
        ...


class _Slot:
    def __init__(self, device: Device) -> None:
        self.stream = device.stream()
        self.began, self.event = device.event(timed=True), device.event(timed=True)
        self.works: OrderedDict[Shape, Work] = OrderedDict()

    def work(self, runtime: Runtime, shape: Shape) -> Work:
        if (work := self.works.get(shape)) is None:
            if len(self.works) >= _MOST_SHAPES:
                self.works.popitem(last=False)[1].close()
            work = self.works[shape] = runtime.work(shape, self.stream)
        self.works.move_to_end(shape)
        return work

    def close(self) -> None:
        works, self.works = self.works, OrderedDict()
        free_each(work.close for work in works.values())


@dataclass(slots=True, eq=False)
class _Part:
    """A piece of a ticket that runs in one slot."""

    frames: Sequence[Prepared]
    slot: _Slot
    work: Work
    inferred: list[Inferred] | None = None
    error: BackendError | None = None


class SlotTicket:
    """See base.Ticket."""

    def __init__(self, backend: SlotBackend, parts: Sequence[_Part]) -> None:
        self._backend, self._parts = backend, parts

    def result(self) -> list[Inferred]:
        """Wait for it."""
        return [inferred for part in self._parts for inferred in self._backend.finish(part)]


class SlotBackend:
    """See base.Backend. What comes from the device is copied, so that results own their memory."""

    workers = 1
    threads = 1

    def __init__(
        self,
        name: str,
        detail: str,
        precision: str,
        card: Card,
        device: Device,
        runtime: Runtime,
        *,
        slots: int,
        max_batch: int = 1,
    ) -> None:
        """Takes over `device` and `runtime`: `close` closes both. The device must be current."""
        self.name, self.detail, self.precision = name, detail, precision
        self.slots, self.max_batch = slots, max_batch
        self._card, self._device = card, device
        self._runtime: Runtime | None = runtime
        self._timeline = Timeline(device)
        self._track = f"gpu: {card.name}"  # in the stamps of a frame: from the upload to the end of the download
        self._slots = [_Slot(device) for _ in range(slots)]
        self._idle = deque(self._slots)
        self._flying: deque[_Part] = deque()  # oldest first
        self._dtypes = [np.dtype(output.dtype) for output in card.outputs]

    def warm(self, shape: Shape) -> None:
        """Run noughts of that shape in every slot, until each has its graph; what cannot run fails here.

        Raises:
            BackendError: the network does not run.
        """
        runtime = self._runtime
        assert runtime is not None
        with self._device.current():
            for slot in self._slots:
                for _ in range(_GRAPH_AFTER):
                    slot.work(runtime, shape).start(slot.stream)
                slot.stream.synchronize()

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        """Begin; where all slots are busy, first wait for the one that began first."""
        if self._runtime is None:
            raise RuntimeError(f"{self.name} was closed")
        for prepared in batch:
            check_input(self._card, prepared)
        with self._device.current():
            return SlotTicket(self, [self._begin(self._runtime, frames) for frames in _alike(self._runtime, batch)])

    def _begin(self, runtime: Runtime, frames: Sequence[Prepared]) -> _Part:
        if not self._idle:
            self._wait(self._flying[0])
        slot = self._idle.popleft()
        try:
            self._timeline.refresh(slot.stream)
            work = slot.work(runtime, (len(frames), *frames[0].tensor.shape[1:]))
            for row, prepared in enumerate(frames):
                np.copyto(work.input[row : row + 1], prepared.tensor, casting="same_kind")
            slot.began.record(slot.stream)
            work.start(slot.stream)
            slot.event.record(slot.stream)
        except BaseException:
            self._idle.append(slot)
            self._settle(slot)
            raise
        part = _Part(frames, slot, work)
        self._flying.append(part)
        return part

    def _settle(self, slot: _Slot) -> None:
        """Wait for what was begun in a slot and is of no use: its memory is written to next."""
        try:
            slot.stream.synchronize()
        except BackendError:
            return  # the error that led here is told

    def finish(self, part: _Part) -> list[Inferred]:
        """What came of a part, in new memory."""
        if part.inferred is None and part.error is None:
            if self._runtime is None:
                raise RuntimeError(f"{self.name} was closed before its result was asked for")
            with self._device.current():
                self._wait(part)
        if part.error is not None:
            raise part.error
        assert part.inferred is not None
        return part.inferred

    def _wait(self, part: _Part) -> None:
        try:
            part.slot.event.synchronize()
            span = self._timeline.span(part.slot.began, part.slot.event)
            for prepared in part.frames:
                prepared.frame.stamps.device[self._track] = span
            part.inferred = [
                Inferred(
                    prepared,
                    tuple(
                        output[row : row + 1].astype(dtype)  # a copy
                        for output, dtype in zip(part.work.outputs, self._dtypes, strict=True)
                    ),
                )
                for row, prepared in enumerate(part.frames)
            ]
        except BackendError as error:
            part.error = error  # belongs to that ticket, not to who needed its slot
        finally:
            self._flying.remove(part)
            self._idle.append(part.slot)

    def close(self) -> None:
        """Let go of the network and the GPU; results that were asked for stay valid."""
        runtime, self._runtime = self._runtime, None
        if runtime is None:
            return
        try:
            with self._device.current():
                settle = (partial(self._settle, slot) for slot in self._slots)
                free_each((*settle, *(slot.close for slot in self._slots), runtime.close))
        finally:
            self._device.close()


def _alike(runtime: Runtime, batch: Sequence[Prepared]) -> Iterator[Sequence[Prepared]]:
    """Cut a batch into pieces that run at once."""
    start = 0
    while start < len(batch):
        shape = batch[start].tensor.shape
        end = start + 1
        while end < len(batch) and batch[end].tensor.shape == shape:
            end += 1
        end = start + runtime.rows(shape, end - start)
        yield batch[start:end]
        start = end
