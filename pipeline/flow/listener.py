"""Hears a second signal wherever the main thread is, breaks the flow off, and sees to it that the process ends."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable

STOPS = (signal.SIGINT, signal.SIGTERM)
GRACE_S = 2.0  # from the second signal on: in it outputs get their names


class Listener:
    """Hears the signals in a thread of its own, through a pipe that is written to before any handler of Python runs:
    at once, also while the main thread is inside C code. A context manager, for the main thread.

    Args:
        cancel: called at the second signal, in another thread. GRACE_S later, or at a third signal, the process is
            killed, whether the block was left or not.

    Attributes:
        numbers: of the signals that came, in their order.
    """

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel
        self.numbers: list[int] = []
        self._settled = threading.Event()  # it is known whether there were two
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)

    def __enter__(self) -> Listener:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        signal.set_wakeup_fd(self._before)
        os.close(self._writer)
        self._settled.wait(GRACE_S)
        if len(self.numbers) < 2:
            self._thread.join(GRACE_S)

    def _listen(self) -> None:
        inside = True
        while inside and len(self.numbers) < 2:
            inside = self._hear()
        self._settled.set()
        if not inside:
            os.close(self._reader)
            return
        until_s = time.monotonic() + GRACE_S
        # In a thread of its own: it waits for locks, and this one has a time to keep.
        threading.Thread(target=self._cancel, name="cancel", daemon=True).start()
        while len(self.numbers) < 3 and (left_s := until_s - time.monotonic()) > 0:
            if not inside:  # a third signal is the system's by now
                time.sleep(left_s)
            elif select.select([self._reader], (), (), left_s)[0]:
                inside = self._hear()
        _die(self.numbers[-1])

    def _hear(self) -> bool:
        """Wait for the next signal; False: the block was left."""
        heard = os.read(self._reader, 1)
        if heard and heard[0] in STOPS:
            self.numbers.append(heard[0])
        return bool(heard)


def _die(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.1)
    os._exit(128 + number)  # the main thread hangs in C code, so that its handler is still there and was not called
