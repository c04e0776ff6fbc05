"""Buffers that are used again: borrowed with a lease, given back once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Releasable(Protocol):
    """A lease on something borrowed."""

    def release(self) -> None:
        """Give it back; again is the same as once."""
        ...


def lease_of(item: Any) -> Iterable[Releasable]:
    """The lease in `item.lease`, if there is one."""
    lease = getattr(item, "lease", None)
    return () if lease is None else (lease,)


class Lease(Generic[T]):
    """A borrowed buffer. Nobody touches `value` after `release`."""

    __slots__ = ("_pool", "value")

    def __init__(self, value: T, pool: Pool[T]) -> None:
        self.value = value
        self._pool: Pool[T] | None = pool

    def release(self) -> None:
        """Give the buffer back; from any thread, and again is the same as once."""
        pool = self._pool
        if pool is not None:
            pool._take_back(self)


class Pool(Generic[T]):
    """Buffers of one kind. Grows to as many as are under way at once and stays there.

    Args:
        make: a new buffer.
        poison: spoils a buffer that was given back, so that a test sees who still reads it.
    """

    def __init__(self, make: Callable[[], T], poison: Callable[[T], None] | None = None) -> None:
        self._make, self._poison = make, poison
        self._free: list[T] = []  # last in, first out: the one used last is still in the cache
        self._lock = threading.Lock()
        self.made = 0  # how many buffers exist

    def acquire(self) -> Lease[T]:
        """Borrow a buffer, with whatever is in it; makes one if none is free, and never waits for one."""
        try:
            return Lease(self._free.pop(), self)
        except IndexError:
            value = self._make()
        with self._lock:
            self.made += 1
        return Lease(value, self)

    def _take_back(self, lease: Lease[T]) -> None:
        with self._lock:
            if lease._pool is None:
                return
            lease._pool = None
        if self._poison is not None:
            self._poison(lease.value)
        self._free.append(lease.value)
