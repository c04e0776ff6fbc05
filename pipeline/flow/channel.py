"""A bounded queue between two stages that can end (drain) or be cancelled (stop now)."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any


class Cancelled(BaseException):
    """The flow stops now. Thrown into a stage's context, so that it can tell "cut short" from "done".

    Not an Exception: a stage that catches those must not go on by mistake.
    """


class Channel:
    """Messages, first in, first out.

    A full channel makes its writer wait, or, with `newest`, gives up its oldest message. A channel with
    credits lets a message out for one credit and gets it back when the message is no longer under way.

    Args:
        capacity: most messages that wait here.
        discard: called without a lock held, with each message that is lost and the cause.
        newest: never wait, keep the newest.
        credits: how many messages may be under way behind this channel; None: any number.
    """

    def __init__(
        self,
        capacity: int,
        discard: Callable[[Any, str], None],
        *,
        newest: bool = False,
        credits: int | None = None,
    ) -> None:
        self._capacity, self._discard, self._newest, self._credits = capacity, discard, newest, credits
        self._messages: deque[Any] = deque()
        self._taken = 0  # how often somebody took messages
        self._ended = self._cancelled = False
        # A lock for each thread that waits, released to wake it: what threading.Condition does, but
        # in a third of the time, and only where somebody waits.
        self._readers: deque[threading.Lock] = deque()
        self._writers: deque[threading.Lock] = deque()
        self._lock = threading.Lock()
        self.first_put_s: float | None = None  # when the first message came, time.monotonic()

    def put(self, messages: Sequence[Any]) -> None:
        """Hand on messages in order.

        Raises:
            Cancelled: the flow stops now; what did not go in is discarded.
        """
        queue, done, count = self._messages, 0, len(messages)
        lost: list[Any] | None = None
        if self.first_put_s is None:
            self.first_put_s = time.monotonic()
        while True:
            with self._lock:
                while done < count and not self._cancelled:
                    if len(queue) >= self._capacity:
                        if not self._newest:
                            break
                        lost = lost or []
                        lost.append(queue.popleft())
                    queue.append(messages[done])
                    done += 1
                    if self._readers:
                        _wake_one(self._readers)
                if done == count or self._cancelled:
                    break
                gate = _line_up(self._writers)
            gate.acquire()
        for message in lost or ():
            self._discard(message, "newest")
        if done < count:
            for message in messages[done:]:
                self._discard(message, "cancelled")
            raise Cancelled

    def get(
        self,
        into: list[Any],
        limit: int = 1,
        wait: bool = True,
        linger_s: float = 0.0,
        timeout_s: float | None = None,
    ) -> int:
        """Take up to `limit` of the messages that wait.

        Args:
            into: an empty list, for the messages. It stays empty: the channel has ended, `timeout_s` is over or,
                without `wait`, there is nothing to take now.
            linger_s: how long to wait for `limit` messages once there is one.
            timeout_s: how long to wait for the first one; None: for ever.

        Returns:
            A ticket: 0, 1, 2 ... in the order of taking.

        Raises:
            Cancelled: the flow stops now.
        """
        queue = self._messages
        gate: threading.Lock | None = None
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        linger_until_s: float | None = None
        try:
            while True:
                with self._lock:
                    if self._cancelled:
                        raise Cancelled
                    ready = len(queue) if self._credits is None else min(len(queue), self._credits)
                    if ready > 0:
                        if not linger_s or ready >= limit or self._ended:
                            return self._take(into, ready if ready < limit else limit)
                        now_s = time.monotonic()
                        linger_until_s = linger_until_s or now_s + linger_s
                        if now_s >= linger_until_s:
                            return self._take(into, ready)
                        wake_s: float | None = linger_until_s
                    else:
                        if not wait or (self._ended and not queue):
                            return -1
                        if until_s is not None and time.monotonic() >= until_s:
                            return -1
                        linger_until_s, wake_s = None, until_s
                    gate = _line_up(self._readers)
                if wake_s is None:
                    gate.acquire()
                elif not gate.acquire(timeout=max(0.0, wake_s - time.monotonic())):
                    with self._lock:
                        if gate in self._readers:  # else it was woken just now
                            self._readers.remove(gate)
        except BaseException:
            if gate is not None:
                with self._lock:
                    if gate in self._readers:  # Ctrl-C in the caller's thread: nobody woke it
                        self._readers.remove(gate)
            raise

    def _take(self, into: list[Any], count: int) -> int:
        # Ctrl-C may strike the caller's thread after any call, so writers are woken before there is room
        # rather than not at all, and nothing is called between taking a message out and putting it in.
        queue = self._messages
        if self._writers:
            _wake_one(self._writers)
        if self._credits is not None:
            self._credits -= count
        ticket = self._taken
        self._taken = ticket + 1
        while True:
            message = queue[0]
            del queue[0]
            into.append(message)
            if len(into) == count:
                return ticket

    def give_back(self, credits: int) -> None:
        """So many messages are no longer under way behind this channel; less than 0: so many more are."""
        if self._credits is not None and credits:
            with self._lock:
                self._credits += credits
                _wake_all(self._readers)

    def check(self) -> None:
        """Raises Cancelled if the flow stops now."""
        if self._cancelled:
            raise Cancelled

    def waiting(self) -> int:
        """How many messages wait here."""
        return len(self._messages)

    def drained(self) -> bool:
        """Whether it has ended and nothing is left in it."""
        with self._lock:
            return self._ended and not self._messages

    def end(self) -> bool:
        """Nothing more comes: readers take what is left and then find the end. Says whether it had not ended."""
        with self._lock:
            before, self._ended = self._ended, True
            _wake_all(self._readers)
        return not before

    def cancel(self) -> list[Any]:
        """Everyone who waits here wakes now. Returns what was left; later messages are discarded."""
        with self._lock:
            self._cancelled = True
            left = list(self._messages)
            self._messages.clear()
            _wake_all(self._readers)
            _wake_all(self._writers)
        return left


def _line_up(waiting: deque[threading.Lock]) -> threading.Lock:
    """A closed gate, which the next to wake somebody opens."""
    gate = threading.Lock()
    gate.acquire()
    waiting.append(gate)
    return gate


def _wake_one(waiting: deque[threading.Lock]) -> None:
    gate = waiting[0]
    del waiting[0]  # no call, so no Ctrl-C, before it is open
    gate.release()


def _wake_all(waiting: deque[threading.Lock]) -> None:
    while waiting:
        _wake_one(waiting)
