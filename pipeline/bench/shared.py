"""One loaded network for several flows."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from engines.backends.base import Backend, Done, Ticket, Way
from pipeline.types import Prepared


class SharedBackend:
    """A backend that the workers of several flows call: as many are inside it at once as it has workers.

    The others wait. Work is done inside `submit`, so the slots of a GPU do not overlap here: such a backend is made
    for one thread.
    """

    slots = 1
    max_batch = 1
    way: Way = "tensors"  # what stands before and behind the network is each flow's own

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._free = threading.Semaphore(backend.workers)
        self.workers, self.threads = backend.workers, backend.threads

    def __getattr__(self, name: str) -> Any:  # name, detail, precision, notes: those of the backend
        return getattr(self._backend, name)

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        """Wait for a free place, then run."""
        with self._free:
            return Done(self._backend.submit(batch).result())

    def close(self) -> None:
        """Close the backend."""
        self._backend.close()
