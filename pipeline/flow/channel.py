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
        # A lock for each thread that waits, released to wake it. Does what threading.Condition does in a
        # third of the time, and wakes one reader or writer, not all.
        self._readers: deque[threading.Lock] = deque()
        self._writers: deque[threading.Lock] = deque()
        self._lock = threading.Lock()
        self.first_put_s: float | None = None  # when the first message came, time.monotonic()

    def put(self, messages: Sequence[Any]) -> None:
        """Hand on messages in order.

        Raises:
            Cancelled: the flow stops now; what did not go in is discarded.
        """
        queue, done = self._messages, 0
        lost: list[Any] = []
        if self.first_put_s is None:
            self.first_put_s = time.monotonic()
        with self._lock:
            for message in messages:
                while len(queue) >= self._capacity and not self._cancelled:
                    if self._newest:
                        lost.append(queue.popleft())
                    else:
                        self._sleep(self._writers)
                if self._cancelled:
                    break
                done += 1
                queue.append(message)
                if self._readers:
                    self._readers.popleft().release()
        if lost:
            for message in lost:
                self._discard(message, "newest")
        if done < len(messages):
            for message in messages[done:]:
                self._discard(message, "cancelled")
            raise Cancelled

    def get(self, limit: int = 1, wait: bool = True) -> tuple[int, list[Any]]:
        """Take up to `limit` of the messages that wait.

        Returns:
            A ticket (0, 1, 2 ... in the order of taking) and the messages. No messages: the channel has
            ended or, without `wait`, there is nothing to take now.

        Raises:
            Cancelled: the flow stops now.
        """
        queue = self._messages
        with self._lock:
            while not self._cancelled:
                ready = len(queue)
                if self._credits is not None:
                    ready = min(ready, self._credits)
                if ready > 0:
                    return self._take(ready if ready < limit else limit)
                if not wait or (self._ended and not queue):
                    return -1, []
                self._sleep(self._readers)
        raise Cancelled

    def _take(self, count: int) -> tuple[int, list[Any]]:
        queue, ticket = self._messages, self._taken
        taken = [queue.popleft()] if count == 1 else [queue.popleft() for _ in range(count)]
        self._taken += 1
        if self._credits is not None:
            self._credits -= count
        if self._writers:
            self._writers.popleft().release()
        if self._ended and not queue:
            self._wake(self._readers)  # the others have nothing to wait for any more
        return ticket, taken

    def give_back(self, credits: int) -> None:
        """So many messages are no longer under way behind this channel; less than 0: so many more are."""
        if self._credits is not None and credits:
            with self._lock:
                self._credits += credits
                self._wake(self._readers)

    def _sleep(self, sleepers: deque[threading.Lock]) -> None:
        """Let go of the channel's lock, wait to be woken, take the lock again."""
        gate = threading.Lock()
        gate.acquire()
        sleepers.append(gate)
        try:
            self._lock.release()
            gate.acquire()
        finally:
            self._lock.acquire()
            if gate in sleepers:  # Ctrl-C in the main thread, nobody woke us
                sleepers.remove(gate)

    def _wake(self, sleepers: deque[threading.Lock]) -> None:
        while sleepers:
            sleepers.popleft().release()

    def check(self) -> None:
        """Raises Cancelled if the flow stops now."""
        if self._cancelled:
            raise Cancelled

    def waiting(self) -> int:
        """How many messages wait here."""
        return len(self._messages)

    def end(self) -> None:
        """Nothing more comes: readers take what is left and then find the end."""
        with self._lock:
            self._ended = True
            self._wake(self._readers)

    def cancel(self) -> list[Any]:
        """Everyone who waits here wakes now. Returns what was left; later messages are discarded."""
        with self._lock:
            self._cancelled = True
            left = list(self._messages)
            self._messages.clear()
            self._wake(self._readers)
            self._wake(self._writers)
        return left
