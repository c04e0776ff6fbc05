"""A backend that is stuck: its runs are broken off and begun again on a new one, once.

Python cannot kill a thread, so this is for backends that can be told to stop between two operators: ONNX Runtime and
OpenVINO on the CPU. What hangs inside one operator, or in a driver, stays stuck; the flow's watchdog then says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Protocol, runtime_checkable

from engines.backends.base import Backend, Ticket
from pipeline.errors import BackendError
from pipeline.types import Prepared


class BrokenOffError(BackendError):
    """A run was interrupted from outside."""


@runtime_checkable
class Interruptible(Protocol):
    """What a backend has that can be told to stop."""

    def interrupt(self) -> None:
        """Break off all runs: they raise BrokenOffError soon. Legal from any thread; does not wait."""
        ...


@runtime_checkable
class Rescuable(Protocol):
    """A backend that goes on after it was interrupted."""

    def rescue(self) -> str:
        """See RestartingBackend."""
        ...


class RestartingBackend:
    """Runs on one backend; where that is interrupted, what it was at is done again by a new one.

    Used by as many threads as the backend may be.

    Args:
        first: finishes its work inside submit.
        reopen: another one of the same kind; BackendError where there is none.
    """

    def __init__(self, first: Backend, reopen: Callable[[], Backend]) -> None:
        self.name, self.detail, self.precision = first.name, first.detail, first.precision
        self.slots, self.max_batch = first.slots, first.max_batch
        self.workers, self.threads = first.workers, first.threads
        self.notes: list[str] = []
        self.way = first.way
        self._reopen = reopen
        self._lock = Lock()
        self._running = first
        self._restarted = False

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        """Run; on the new backend where this one is interrupted."""
        while True:
            running = self._running
            try:
                return running.submit(batch)
            except BrokenOffError as error:
                self._replace(running, error, batch)

    def rescue(self) -> str:
        """Break off all runs, once, to be done again; what was done, for people, "" where nothing can be.

        Legal from any thread; does not wait.
        """
        if self._restarted or not isinstance(self._running, Interruptible):
            return ""
        self._running.interrupt()
        return f"{self.name} was interrupted"

    def _replace(self, failed: Backend, error: BrokenOffError, batch: Sequence[Prepared]) -> None:
        with self._lock:
            if failed is not self._running:
                return  # another thread has replaced it
            if self._restarted:
                raise error
            self._restarted = True
            # The old one is let go of, not closed: other threads may still be inside it.
            self._running = self._reopen()
        where = f" at frame {batch[0].frame.index}" if batch else ""
        self.notes.append(f"{self.name} was stuck{where}: broken off and started anew")

    def close(self) -> None:
        """Let go of the backend that runs."""
        self._running.close()


def rescue(backends: Sequence[Backend]) -> str:
    """Rescue all backends that can be; what was done, for people, "" where nothing can be."""
    return ", ".join(filter(None, (b.rescue() for b in backends if isinstance(b, Rescuable))))
