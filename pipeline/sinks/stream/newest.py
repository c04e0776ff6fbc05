"""A place for one item between two threads: the newest."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Newest(Generic[T]):
    """Putting never waits; what was not taken yet is replaced."""

    def __init__(self) -> None:
        self._item: T | None = None
        self._ended = False
        self._moved = threading.Condition()

    def put(self, item: T) -> bool:
        """Whether another item was there, which is lost now."""
        with self._moved:
            lost, self._item = self._item is not None, item
            self._moved.notify()
        return lost

    def take(self) -> T | None:
        """The item, waited for; None: there will be no more."""
        with self._moved:
            while self._item is None and not self._ended:
                self._moved.wait()
            item, self._item = self._item, None
        return item

    def clear(self) -> bool:
        """Throw away what is there; whether there was anything."""
        with self._moved:
            lost, self._item = self._item is not None, None
        return lost

    def end(self) -> None:
        """Whoever takes gets what is there, then None."""
        with self._moved:
            self._ended = True
            self._moved.notify_all()
