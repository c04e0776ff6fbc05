"""Reading a source."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from typing import Any

from pipeline.flow.channel import Channel

Source = Callable[[], AbstractContextManager[Iterable[Any]]]


class Stopping(threading.Event):
    """Set once a flow is asked to stop; call it to look."""

    def __call__(self) -> bool:
        return self.is_set()


def read(source: Source, channel: Channel, stopping: Stopping) -> None:
    """Open the source, put all it gives into the channel, close it; no more after a stop."""
    if stopping.is_set():
        return
    with source() as items:
        iterator = iter(items)
        try:
            for item in iterator:
                channel.put([item])
                if stopping.is_set():
                    break
        finally:
            if isinstance(iterator, Generator):
                iterator.close()  # in this thread, not in the one that lets go of it last
