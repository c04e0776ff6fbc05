"""Where several sources come together: each has a place of its own, and is served in turn."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.flow.channel import Cancelled


class Junction:
    """To its readers a channel (see Channel); each source has a Place in it to put into.

    Readers take one message from each source in turn, passing over those that have none: a fast source, or one that
    may wait, takes nothing from a slow one. Each source keeps its newest messages, or waits, on its own.

    Args:
        newest: for each source, whether it never waits and keeps its newest message only.
        capacity: most messages of a source that wait here, where it may wait.
        discard: called without the lock held, with each message that is lost and the cause.
        credits: how many messages of all sources together may be under way behind; None: any number.
    """

    def __init__(
        self, newest: Sequence[bool], capacity: int, discard: Callable[[Any, str], None], credits: int | None = None
    ) -> None:
        self._lock = threading.Lock()
        self.readable = threading.Condition(self._lock)
        self.places = [Place(self, self._lock, 1 if one else capacity, one, discard) for one in newest]
        self._credits = credits
        self._turn = 0  # whose message leaves next, if it has one
        self._taken = 0
        self.cancelled = False
        self.first_put_s: float | None = None

    def get(
        self,
        into: list[Any],
        limit: int = 1,
        wait: bool = True,
        linger_s: float = 0.0,
        timeout_s: float | None = None,
    ) -> int:
        """As Channel.get; a frame does not linger here, where a newer one would take its place."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._lock:
            while True:
                if self.cancelled:
                    raise Cancelled
                ready = sum(len(place.messages) for place in self.places)
                if self._credits is not None:
                    ready = min(ready, self._credits)
                if ready > 0:
                    return self._take(into, min(ready, limit))
                if not wait or self._drained():
                    return -1
                left_s = None if until_s is None else until_s - time.monotonic()
                if left_s is not None and left_s <= 0:
                    return -1
                self.readable.wait(left_s)

    def _take(self, into: list[Any], count: int) -> int:
        if self._credits is not None:
            self._credits -= count
        while len(into) < count:
            place = self.places[self._turn]
            self._turn = (self._turn + 1) % len(self.places)
            if place.messages:
                into.append(place.messages.popleft())
                place.writable.notify()
        self._taken += 1
        return self._taken - 1

    def give_back(self, credits: int) -> None:
        """As Channel.give_back."""
        if self._credits is not None and credits:
            with self._lock:
                self._credits += credits
                self.readable.notify_all()

    def check(self) -> None:
        """Raises Cancelled if the flow stops now."""
        if self.cancelled:
            raise Cancelled

    def waiting(self) -> int:
        """How many messages wait here."""
        return sum(len(place.messages) for place in self.places)

    def drained(self) -> bool:
        """As Channel.drained."""
        with self._lock:
            return self._drained()

    def _drained(self) -> bool:
        return not self.waiting() and all(place.ended for place in self.places)

    def end(self) -> bool:
        """Nothing more comes from any source. Says whether some had not ended."""
        with self._lock:
            before = all(place.ended for place in self.places)
            for place in self.places:
                place.ended = True
                place.writable.notify_all()
            self.readable.notify_all()
        return not before

    def cancel(self) -> list[Any]:
        """As Channel.cancel."""
        with self._lock:
            self.cancelled = True
            left = [message for place in self.places for message in place.messages]
            for place in self.places:
                place.messages.clear()
                place.writable.notify_all()
            self.readable.notify_all()
        return left


class Place:
    """Where one source puts its messages; to it a channel."""

    def __init__(
        self,
        junction: Junction,
        lock: threading.Lock,
        capacity: int,
        newest: bool,
        discard: Callable[[Any, str], None],
    ) -> None:
        self._junction, self._lock, self._capacity, self._newest = junction, lock, capacity, newest
        self._discard = discard
        self.messages: deque[Any] = deque()
        self.writable = threading.Condition(lock)
        self.ended = False

    def put(self, messages: Sequence[Any]) -> None:
        """As Channel.put; what comes after the end is discarded."""
        for number, message in enumerate(messages):
            taken, lost = self._put(message)
            for old in lost:
                self._discard(old, "newest")
            if not taken:
                for rest in messages[number:]:
                    self._discard(rest, "cancelled")
                self._junction.check()
                return

    def _put(self, message: Any) -> tuple[bool, list[Any]]:
        """Put one; whether it went in, and what was lost for it."""
        junction, lost = self._junction, []
        with self._lock:
            if junction.first_put_s is None:
                junction.first_put_s = time.monotonic()
            while len(self.messages) >= self._capacity and not self.ended and not junction.cancelled:
                if self._newest:
                    lost.append(self.messages.popleft())
                else:
                    self.writable.wait()
            taken = not self.ended and not junction.cancelled
            if taken:
                self.messages.append(message)
                junction.readable.notify()
        return taken, lost

    def end(self) -> None:
        """Nothing more comes from this source."""
        with self._lock:
            self.ended = True
            self._junction.readable.notify_all()
