"""A call into a native library that may hang: it is begun once more, and given up where nothing moves any longer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread, get_ident
from typing import TypeVar

T = TypeVar("T")
AGAIN_S, STILL_S, ALONE_S = 20.0, 20.0, 120.0
_IDLE = 0.2  # a process that uses less of a core than this compiles nothing
_ALONE = 0.01  # of a core: a thread that uses less waits for others


def once_more(
    work: Callable[[int], T], again_s: float = AGAIN_S, still_s: float = STILL_S, alone_s: float = ALONE_S
) -> T:
    """What `work` gives, from the first of its calls that comes back. What hangs stays behind in a daemon thread.

    A call that is only slow comes to its end as well: it is given up where the whole process does next to nothing or,
    beside other work in the process, where its own thread has waited for others for minutes.

    Args:
        work: called with 0 and, where that is not back in time, with 1; each in a thread of its own.
        again_s: seconds after which it is called once more.
        still_s: both are given up after so many seconds in which the process took less than a fifth of a core,
        alone_s: or after so many in which their two threads took next to nothing, where the system tells.

    Raises:
        TimeoutError: both calls hang.
        BaseException: what the first call to come back raised.
    """
    done: SimpleQueue[tuple[list[T], BaseException | None]] = SimpleQueue()
    clocks: list[int] = []

    def call(number: int) -> None:
        if hasattr(time, "pthread_getcpuclockid"):  # not on Windows
            clocks.append(time.pthread_getcpuclockid(get_ident()))
        try:
            done.put(([work(number)], None))
        except BaseException as error:  # raised in the caller
            done.put(([], error))

    Thread(target=call, args=(0,), name="native-0", daemon=True).start()
    try:
        return _result(*done.get(timeout=again_s))
    except Empty:
        Thread(target=call, args=(1,), name="native-1", daemon=True).start()
    moved_s, theirs_s = time.monotonic(), -1.0
    while True:
        before_s, began_s = time.process_time(), time.monotonic()
        try:
            return _result(*done.get(timeout=still_s))
        except Empty:
            now_s = time.monotonic()
        spent_s = _spent_s(clocks)
        if not clocks or spent_s - theirs_s > _ALONE * (now_s - began_s):
            moved_s = now_s
        theirs_s = spent_s
        if time.process_time() - before_s < _IDLE * (now_s - began_s):
            raise TimeoutError(f"nothing has moved for {still_s:g} s, and a second try did not help")
        if now_s - moved_s >= alone_s:
            raise TimeoutError(f"it has waited for {alone_s:g} s, and a second try did not help")


def _spent_s(clocks: Sequence[int]) -> float:
    """CPU seconds of the threads with these clocks, those that have ended left out."""
    spent_s = 0.0
    for clock in clocks:
        with suppress(OSError):
            spent_s += time.clock_gettime(clock)
    return spent_s


def _result(found: list[T], error: BaseException | None) -> T:
    if error is not None:
        raise error
    return found[0]
