"""Several backends for one network, all open: each frame says which of them runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from engines.backends.base import Backend, Ticket, Way
from engines.backends.restart import rescue
from pipeline.types import Inferred, Prepared


class LadderBackend:
    """Hands each frame to the backend of its rung.

    Args:
        rungs: name -> backend, the first wanted most; all open and warm.
    """

    def __init__(self, rungs: Mapping[str, Backend]) -> None:
        self._rungs = dict(rungs)
        every = list(self._rungs.values())
        first = every[0]
        self.name, self.detail = first.name, first.detail
        self.precision, self.threads = first.precision, first.threads
        self.workers = min(backend.workers for backend in every)
        self.slots = min(backend.slots for backend in every)
        self.max_batch = min(backend.max_batch for backend in every)
        self.way: Way = "tensors"

    @property
    def notes(self) -> list[str]:
        """Those of all rungs."""
        return [note for backend in self._rungs.values() for note in getattr(backend, "notes", ())]

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        """Begin; frames of one rung that follow on one another go together."""
        return _Tickets(
            [self._rungs[rung].submit(list(frames)) for rung, frames in groupby(batch, lambda one: one.rung)]
        )

    def rescue(self) -> str:
        """See RestartingBackend."""
        return rescue(list(self._rungs.values()))

    def close(self) -> None:
        """Let go of all."""
        for backend in self._rungs.values():
            backend.close()


class _Tickets:
    """See base.Ticket."""

    def __init__(self, tickets: Sequence[Ticket]) -> None:
        self._tickets = tickets

    def result(self) -> list[Inferred]:
        """Wait for all."""
        return [inferred for ticket in self._tickets for inferred in ticket.result()]
