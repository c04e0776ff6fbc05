"""Pictures for whoever waits for one: copied and encoded only then, once for all who wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pipeline.image import Image

LATE_S = 0.5  # how much of an interval a picture may come too early


class EndedError(Exception):
    """The server ends; there will be no more pictures."""


class Tap:
    """The newest picture of one source, encoded.

    The threads of a run look at `wanted`, draw only where it is true, and `offer` what they have drawn. Whoever
    waits does so in the server's loop. A viewer that reads slowly asks less often and misses pictures; it never
    makes anybody wait.

    Args:
        loop: of the server.
        copy: makes a picture that nobody writes to any more, small; called by the thread that offers.
        encode: makes a file of it; called in a thread of the server.
        fps: most pictures a second; None: as many as are asked for.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        copy: Callable[[Image], Image],
        encode: Callable[[Image], bytes],
        fps: float | None = None,
    ) -> None:
        self._loop, self._copy, self._encode = loop, copy, encode
        self._interval_s = 1 / fps if fps else 0.0
        self._due_s = 0.0
        self._asked = False  # by the loop, not yet taken by the threads
        self._waiting: asyncio.Future[None] | None = None  # of all who wait
        self._newest = 0, b""
        self._closed = False

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a picture, and it is time for one. From any thread; costs nothing."""
        return self._asked and time.monotonic() >= self._due_s - LATE_S * self._interval_s

    def offer(self, image: Image) -> None:
        """Take a picture if one is wanted. From any one thread; the picture is copied here."""
        if not self.wanted:
            return
        self._asked = False
        now_s = time.monotonic()
        self._due_s = max(self._due_s, now_s - self._interval_s) + self._interval_s
        mine = self._copy(image)
        try:
            self._loop.call_soon_threadsafe(self._take, mine)
        except RuntimeError:  # the server has ended meanwhile
            self._closed = True

    async def after(self, number: int) -> tuple[int, bytes]:
        """A picture newer than one seen: its number, for the next call, and its file.

        Args:
            number: of the last one seen; 0: none.

        Raises:
            EndedError: the server ends.
        """
        while self._newest[0] <= number:
            if self._closed:
                raise EndedError
            if self._waiting is None:
                self._waiting = self._loop.create_future()
                self._asked = True
            await asyncio.shield(self._waiting)
        return self._newest

    @property
    def last(self) -> int:
        """The number of the newest picture."""
        return self._newest[0]

    def close(self) -> None:
        """Send everybody away who waits; in the loop."""
        self._closed = True
        self._asked = False
        self._wake()

    def _take(self, image: Image) -> None:
        done = self._loop.run_in_executor(None, self._encode, image)
        done.add_done_callback(self._publish)

    def _publish(self, done: asyncio.Future[bytes]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is None and not done.cancelled() and not self._closed:
            self._newest = self._newest[0] + 1, done.result()
        self._wake()
        if error is not None:
            raise error  # a defect of ours: the loop prints it, and the next picture is tried

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        self._waiting = None
