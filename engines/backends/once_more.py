"""A call into a native library that may hang: it is begun once more, and given up where nothing moves any longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
AGAIN_S, STILL_S = 20.0, 20.0
_IDLE = 0.2  # a process that uses less of a core than this compiles nothing


def once_more(work: Callable[[int], T], again_s: float = AGAIN_S, still_s: float = STILL_S) -> T:
    """What `work` gives, from the first of its calls that comes back. What hangs stays behind in a daemon thread.

    A call that is only slow comes to its end as well: it is given up where the whole process does next to nothing.

    Args:
        work: called with 0 and, where that is not back in time, with 1; each in a thread of its own.
        again_s: seconds after which it is called once more.
        still_s: both are given up after so many seconds in which the process took less than a fifth of a core.

    Raises:
        TimeoutError: both calls hang.
        BaseException: what the first call to come back raised.
    """
    done: SimpleQueue[tuple[list[T], BaseException | None]] = SimpleQueue()

    def call(number: int) -> None:
        try:
            done.put(([work(number)], None))
        except BaseException as error:  # raised in the caller
            done.put(([], error))

    Thread(target=call, args=(0,), name="native-0", daemon=True).start()
    wait_s, begun_again = again_s, False
    while True:
        before_s = time.process_time()
        try:
            found, error = done.get(timeout=wait_s)
        except Empty:
            if not begun_again:
                Thread(target=call, args=(1,), name="native-1", daemon=True).start()
                wait_s, begun_again = still_s, True
            elif time.process_time() - before_s < _IDLE * still_s:
                raise TimeoutError(f"nothing has moved for {still_s:g} s, and a second try did not help") from None
            continue
        if error is not None:
            raise error
        return found[0]
