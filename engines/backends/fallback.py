"""A GPU backend that may go away in the middle of a run: another backend then goes on, and says so once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from engines.backends.base import Backend, FrameBackend, Ticket, takes_frames
from engines.backends.frames_by_tensors import FramesByTensors
from engines.frame_task import FrameTask
from pipeline.errors import BackendError
from pipeline.types import Decoded, Frame, Inferred, Prepared

OpenNext = Callable[[BackendError], Backend]  # what goes on after an error; raises it where nothing can
Item = TypeVar("Item", bound="Prepared | Frame")
Result = TypeVar("Result")


class _Ticket(Protocol[Result]):
    def result(self) -> list[Result]: ...


class FallbackBackend:
    """Runs on one backend until it fails, then on the next; what was under way is begun again there.

    Used by one thread, as the GPU backends are. An input that the network does not take (ModelError) is no reason to
    change: it would not take it there either. Where the first takes frames, all that follow do, those that cannot by
    preparing and decoding on the CPU.

    Args:
        task: of a first backend that takes frames.
    """

    def __init__(self, first: Backend, open_next: OpenNext, task: FrameTask | None = None) -> None:
        self.workers, self.slots, self.max_batch = first.workers, first.slots, first.max_batch  # the run is built so
        self.way = first.way
        self.why_tensors: str = getattr(first, "why_tensors", "")
        self.notes: list[str] = []  # for people: what happened
        self._open_next, self._task = open_next, task
        self._use(first)

    def _use(self, backend: Backend) -> None:
        self.name, self.detail, self.precision = backend.name, backend.detail, backend.precision
        self.threads = backend.threads
        self.running = backend
        self._frames: FrameBackend | FramesByTensors | None = None
        if takes_frames(backend):
            self._frames = backend
        elif self._task is not None and self.way == "frames":
            self._frames = FramesByTensors(backend, self._task)

    @property
    def network_sizes(self) -> Sequence[tuple[int, int]]:
        """See base.FrameBackend."""
        return self.running.network_sizes if takes_frames(self.running) else ()

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        """Begin, on the next backend where this one fails."""
        return _AnyTicket[Prepared, Inferred](self, batch, lambda: self.running.submit(batch))

    def submit_frames(self, frames: Sequence[Frame]) -> _AnyTicket[Frame, Decoded]:
        """The same with frames."""

        def begin() -> _Ticket[Decoded]:
            assert self._frames is not None
            return self._frames.submit_frames(frames)

        return _AnyTicket(self, frames, begin)

    def leave(self, failed: Backend, error: BackendError, batch: Sequence[Any]) -> None:
        """Go on with the next backend; nothing, where another ticket was the reason already.

        Raises:
            BackendError: `error`, where nothing can go on.
        """
        if failed is not self.running:
            return
        with suppress(BackendError):  # what made it fail is told
            failed.close()
        self._use(self._open_next(error))
        where = f" at frame {_index(batch[0])}" if batch else ""
        self.notes.append(f"{failed.name} stopped{where}: {error.message}; {self.name} goes on: {self.detail}")

    def close(self) -> None:
        """Let go of the backend that runs."""
        self.running.close()


class _AnyTicket(Generic[Item, Result]):
    """See base.Ticket and base.FrameTicket. Begun when it is made."""

    def __init__(self, whole: FallbackBackend, batch: Sequence[Item], begin: Callable[[], _Ticket[Result]]) -> None:
        self._whole, self._batch, self._begin_there = whole, batch, begin
        self._done: list[Result] | None = None
        self._begin()

    def _begin(self) -> None:
        while True:
            self._backend = self._whole.running
            try:
                self._ticket = self._begin_there()
                return
            except BackendError as error:
                self._whole.leave(self._backend, error, self._batch)

    def result(self) -> list[Result]:
        """Wait for it; where its backend is gone, wait for the next one."""
        while self._done is None:
            if self._backend is self._whole.running:
                try:
                    self._done = self._ticket.result()
                except BackendError as error:
                    self._whole.leave(self._backend, error, self._batch)
            else:
                self._begin()
        return self._done


def _index(item: Prepared | Frame) -> int:
    return item.frame.index if isinstance(item, Prepared) else item.index
