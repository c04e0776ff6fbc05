"""Where the workers of one stage put their results: in the order of their inputs."""

from __future__ import annotations

import threading
from typing import Any

from pipeline.flow.channel import Cancelled, Channel


class Outlet:
    """Restores the order behind several workers.

    Results wait here until all earlier ones have left. A worker that is too far ahead of the slowest one
    waits too, so at most about three batches per worker are under way in a stage.

    Args:
        channel: where the results go.
        workers: how many put here.
    """

    def __init__(self, channel: Channel, workers: int) -> None:
        self.channel = channel
        self._working = workers
        self._window = 2 * workers
        self._next = 0  # the ticket whose results leave next
        self._early: dict[int, list[Any]] = {}
        self._someone_sends = self._cancelled = False
        self._lock = threading.Lock()
        self._moved = threading.Condition(self._lock)

    def put(self, ticket: int, results: list[Any]) -> None:
        """Hand on the results of the batch with this ticket; every ticket comes once, with or without results.

        Raises:
            Cancelled: the flow stops now; the results are discarded.
        """
        with self._lock:
            if not self._cancelled:
                self._early[ticket] = results
                results = []  # no longer ours: `cancel` discards what waits
                while ticket - self._next >= self._window and not self._cancelled:
                    self._moved.wait()
            cancelled = self._cancelled
            due = None if self._someone_sends else self._early.pop(self._next, None)
            self._someone_sends |= due is not None
        if cancelled:
            self.channel.put(results)  # cancelled as well: discards them and raises
            raise Cancelled
        # One worker sends all that is due, the others' results too, and they go on working.
        while due is not None:
            self.channel.put(due)
            with self._lock:
                self._next += 1
                self._moved.notify_all()
                due = self._early.pop(self._next, None)
                self._someone_sends = due is not None

    def finish(self) -> None:
        """One worker is done; the channel ends with the last one."""
        with self._lock:
            self._working -= 1
            last = self._working == 0
        if last:
            self.channel.end()

    def cancel(self) -> list[Any]:
        """Workers that wait here wake now. Returns what waited."""
        with self._lock:
            self._cancelled = True
            left = [item for results in self._early.values() for item in results]
            self._early.clear()
            self._moved.notify_all()
        return left
