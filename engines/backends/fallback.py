"""A GPU backend that may go away in the middle of a run: another backend then goes on, and says so once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from engines.backends.base import Backend, Ticket
from pipeline.errors import BackendError
from pipeline.types import Inferred, Prepared

OpenNext = Callable[[BackendError], Backend]  # what goes on after an error; raises it where nothing can


class FallbackBackend:
    """Runs on one backend until it fails, then on the next; what was under way is begun again there.

    Used by one thread, as the GPU backends are. An input that the network does not take (ModelError) is no reason to
    change: it would not take it there either.
    """

    def __init__(self, first: Backend, open_next: OpenNext) -> None:
        self.workers, self.slots, self.max_batch = first.workers, first.slots, first.max_batch  # the run is built so
        self.notes: list[str] = []  # for people: what happened
        self._open_next = open_next
        self._use(first)

    def _use(self, backend: Backend) -> None:
        self.name, self.detail, self.precision = backend.name, backend.detail, backend.precision
        self.threads = backend.threads
        self.running = backend

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        """Begin, on the next backend where this one fails."""
        while True:
            running = self.running
            try:
                return _Ticket(self, batch, running, running.submit(batch))
            except BackendError as error:
                self.leave(running, error, batch)

    def leave(self, failed: Backend, error: BackendError, batch: Sequence[Prepared]) -> None:
        """Go on with the next backend; nothing, where another ticket was the reason already.

        Raises:
            BackendError: `error`, where nothing can go on.
        """
        if failed is not self.running:
            return
        with suppress(BackendError):  # what made it fail is told
            failed.close()
        self._use(self._open_next(error))
        where = f" at frame {batch[0].frame.index}" if batch else ""
        self.notes.append(f"{failed.name} stopped{where}: {error.message}; {self.name} goes on: {self.detail}")

    def close(self) -> None:
        """Let go of the backend that runs."""
        self.running.close()


class _Ticket:
    """See base.Ticket."""

    def __init__(self, whole: FallbackBackend, batch: Sequence[Prepared], backend: Backend, ticket: Ticket) -> None:
        self._whole, self._batch, self._backend, self._ticket = whole, batch, backend, ticket
        self._done: list[Inferred] | None = None

    def result(self) -> list[Inferred]:
        """Wait for it; where its backend is gone, wait for the next one."""
        while self._done is None:
            if self._backend is self._whole.running:
                try:
                    self._done = self._ticket.result()
                except BackendError as error:
                    self._whole.leave(self._backend, error, self._batch)
            else:
                self._backend = self._whole.running
                self._ticket = self._backend.submit(self._batch)
        return self._done
