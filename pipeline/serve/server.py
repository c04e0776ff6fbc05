"""A server in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from pipeline.serve.connection import Connection

START_S, STOP_S = 10.0, 5.0
_GRACE_S = 1  # that connections get to end by themselves


class Server:
    """Serves an application until it is stopped. `start` and `stop` are legal in every state.

    Args:
        listening: where; closed with the server.
    """

    def __init__(self, listening: socket.socket) -> None:
        self.app: ASGIApp | None = None  # what is served; set before start
        self.loop = asyncio.new_event_loop()
        self._listening = listening
        self._uvicorn: uvicorn.Server | None = None
        self._beside: Callable[[], Awaitable[None]] | None = None
        self._ending: Callable[[], None] | None = None
        self._started = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._encoders = ThreadPoolExecutor(2, "web-encode")
        self.loop.set_default_executor(self._encoders)

    def start(
        self, beside: Callable[[], Awaitable[None]] | None = None, ending: Callable[[], None] | None = None
    ) -> None:
        """Begin to serve; returns once the loop runs.

        Args:
            beside: runs in the loop as long as the server does, and is cancelled with it.
            ending: called in the loop before connections are waited for: ends answers that have no end.

        Raises:
            TimeoutError: it does not begin.
        """
        if self._stopped or self._thread.ident is not None:
            return
        assert self.app is not None
        self._beside, self._ending = beside, ending
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                self.app,
                log_config=None,
                log_level="error",
                access_log=False,  # addresses may hold the token
                lifespan="off",
                ws="none",
                http=Connection,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
                limit_concurrency=256,
            )
        )
        self._thread.start()
        if not self._started.wait(START_S):
            raise TimeoutError(f"the server does not start within {START_S:g} s")

    def stop(self) -> bool:
        """End every answer and join the thread; False where it still runs after STOP_S seconds."""
        if self._stopped:
            return not self._thread.is_alive()
        self._stopped = True
        if self._thread.ident is None:
            self._listening.close()
            self.loop.close()
            self._encoders.shutdown()
            return True
        with suppress(RuntimeError):  # the loop has ended by itself
            self.loop.call_soon_threadsafe(self._end)
        self._thread.join(STOP_S)
        return not self._thread.is_alive()

    # What follows runs in the thread.

    def _run(self) -> None:
        try:
            self.loop.run_until_complete(self._serve())
        finally:
            self._started.set()
            self._listening.close()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self._encoders.shutdown(cancel_futures=True)
            self.loop.close()

    async def _serve(self) -> None:
        assert self._uvicorn is not None
        beside = asyncio.ensure_future(self._beside()) if self._beside is not None else None
        self.loop.call_soon(self._started.set)
        try:
            await self._uvicorn.serve(sockets=[self._listening])
        finally:
            if beside is not None:
                beside.cancel()
                await asyncio.gather(beside, return_exceptions=True)

    def _end(self) -> None:
        # uvicorn calls it an error that it cuts off those who do not read.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        assert self._uvicorn is not None
        self._uvicorn.should_exit = True
        if self._ending is not None:
            self._ending()
