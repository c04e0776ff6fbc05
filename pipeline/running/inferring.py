"""The step of a run in which the networks run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from engines.backends.base import Backend, FrameTicket, Ticket, takes_frames
from pipeline.running.messages import Messages, frame_of, leases
from pipeline.types import Frame


class Infer:
    """The step that keeps every slot of the backends busy; frames come out in the order they went in.

    Args:
        finish: where nothing comes before or behind: makes what the networks say of a frame into what goes on.
    """

    def __init__(self, backends: Sequence[Backend], finish: Callable[[Messages], Any] | None) -> None:
        self._backends, self._finish = backends, finish
        self._slots = min(backend.slots for backend in backends)
        self._waiting: deque[list[Ticket | FrameTicket] | _Passing] = deque()
        self._running = 0  # of those that wait, how many the networks work on

    def __call__(self, batch: list[Any]) -> Iterator[Any]:
        """Hand a batch to every network, but for frames that are carried; what has come of earlier ones by now."""
        for carried, part in groupby(batch, key=lambda message: frame_of(message).carried > 0):
            if carried:
                self._waiting.append(_Passing(list(part)))
                yield from self._passed()
            else:
                yield from self._submitted(list(part))

    def _submitted(self, batch: list[Any]) -> Iterator[Any]:
        for alike in _alike(batch):
            if self._finish is not None:
                columns = [alike] * len(self._backends)
            else:
                columns = [list(column) for column in zip(*alike, strict=True)]  # one for each network
            self._waiting.append(
                [
                    backend.submit_frames(column) if takes_frames(backend) else backend.submit(column)
                    for backend, column in zip(self._backends, columns, strict=True)
                ]
            )
            self._running += 1
            while self._running >= self._slots:
                yield from self._oldest()

    def drain(self) -> Iterator[Any]:
        """The results of the oldest ticket; the others go on. See flow.Step."""
        if self._waiting:
            yield from self._oldest()

    def _oldest(self) -> Iterator[Any]:
        """The results of the oldest ticket, and the frames behind it that only waited for their turn."""
        tickets = self._waiting.popleft()
        assert not isinstance(tickets, _Passing)
        done: list[Sequence[Any]] = [ticket.result() for ticket in tickets]
        self._running -= 1
        for lease in leases(tuple(said for column in done for said in column)):
            lease.release()  # the tensors end here; the warm buffers are needed for the next frames
        rows = zip(*done, strict=True)
        yield from rows if self._finish is None else map(self._finish, rows)
        yield from self._passed()

    def _passed(self) -> Iterator[Any]:
        while self._waiting and isinstance(passing := self._waiting[0], _Passing):
            self._waiting.popleft()
            for message in passing.messages:
                yield message if self._finish is None else self._finish((message,))


@dataclass(frozen=True, slots=True)
class _Passing:
    """Frames that no network looks at, in their place between those that one does."""

    messages: list[Any]


def _alike(batch: list[Any]) -> Iterable[list[Any]]:
    """The batch in parts of one size each: sources may have pictures of different sizes.

    Frames of one source stay in order; where one has changed its size, all do.
    """
    if len(batch) == 1:
        return [batch]
    parts: dict[tuple[tuple[int, ...], ...], list[Any]] = {}
    for message in batch:
        parts.setdefault(_sizes(message), []).append(message)
    sources = [source for part in parts.values() for source in {frame_of(message).source for message in part}]
    if len(set(sources)) == len(sources):
        return parts.values()
    return [list(group) for _, group in groupby(batch, key=_sizes)]


def _sizes(message: Frame | Messages) -> tuple[tuple[int, ...], ...]:
    parts = [message] if isinstance(message, Frame) else message
    return tuple(part.image.size_hw if isinstance(part, Frame) else part.tensor.shape for part in parts)
