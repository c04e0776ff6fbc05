"""The threads of a flow: started together, joined together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipeline.flow.channel import Cancelled


class Threads:
    """One for each source, for each worker, and for the watchdog.

    Args:
        failed: told in a thread what it raised, and a note that names its stage.
    """

    def __init__(self, failed: Callable[[BaseException, str], None]) -> None:
        self._failed = failed
        self._threads: list[threading.Thread] = []

    def add(self, name: str, work: Callable[[], None], stage: str = "") -> None:
        """One more, to be started with the others.

        Args:
            name: of the thread.
            work: what it does; raising Cancelled ends it.
            stage: that it works for, as its errors call it; "": called as the thread.
        """

        def body() -> None:
            try:
                work()
            except Cancelled:
                pass
            except BaseException as error:  # raised in the caller
                self._failed(error, f"raised in stage {stage or name!r}")

        self._threads.append(threading.Thread(target=body, name=name, daemon=True))

    def start(self) -> None:
        """Start all of them, once."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout_s: float) -> list[str]:
        """Wait so long for all that were started; the names of those that do not stop."""
        until_s = time.monotonic() + timeout_s
        started = [thread for thread in self._threads if thread.ident is not None]
        for thread in started:
            thread.join(max(0.0, until_s - time.monotonic()))
        return [thread.name for thread in started if thread.is_alive()]
