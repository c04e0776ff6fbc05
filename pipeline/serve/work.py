"""The line before the networks: one upload at work, a few that wait, the rest sent away."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from pipeline.serve.answers import RequestError
from pipeline.serve.asked import Answer, Asked, Segmenting

BUSY = {"retry-after": "2"}


class Work:
    """Uploads one after the other, in a thread of their own. In the server's loop.

    Args:
        segmenting: does the work.
        waiting: most uploads that wait for the one at work.
        timeout_s: the longest that one is worked on.
    """

    def __init__(self, segmenting: Segmenting, waiting: int, timeout_s: float) -> None:
        self._segmenting, self._places, self._timeout_s = segmenting, waiting + 1, timeout_s
        self._taken = 0
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "segment")
        self._closed = False
        self.answered: Counter[str] = Counter()  # requests by how they ended

    @property
    def taken(self) -> int:
        """Uploads at work and waiting."""
        return self._taken

    def enter(self) -> None:
        """Take a place in the line, before the upload is read; each is given back with `leave`.

        Raises:
            RequestError: there is none.
        """
        if self._closed:
            raise RequestError(503, "the server is stopping")
        if self._taken >= self._places:
            self.answered["busy"] += 1
            raise RequestError(503, f"{self._taken} uploads are in line already", "try again in a moment", BUSY)
        self._taken += 1

    def leave(self) -> None:
        """Give the place back."""
        self._taken -= 1

    async def answer(self, asked: Asked) -> Answer:
        """Wait for the turn and for the answer.

        Raises:
            RequestError: it takes too long, or the server ends.
            UserError: what was sent cannot be answered as asked.
        """
        async with self._turn:
            if self._closed:
                raise RequestError(503, "the server is stopping")
            self._segmenting.begin()
            future = asyncio.get_running_loop().run_in_executor(self._thread, self._segmenting.answer, asked)
            try:
                return await asyncio.wait_for(asyncio.shield(future), self._timeout_s)
            except TimeoutError:
                if self._closed:
                    raise RequestError(503, "the server is stopping") from None
                what = f"this takes longer than {self._timeout_s:g} s"
                raise RequestError(503, what, "send less at once, or raise api.timeout_s", BUSY) from None
            finally:
                if not future.done():  # too late, or whoever asked has gone
                    self._segmenting.cancel()
                    await asyncio.wait([future])
                    future.exception()

    def stop(self) -> None:
        """Send everybody away; legal twice."""
        self._closed = True
        self._segmenting.cancel()

    def close(self) -> None:
        """Join the thread and let go of the networks; after the loop has ended."""
        self._thread.shutdown(cancel_futures=True)
        self._segmenting.close()
