"""Reading a source."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from typing import Any

from pipeline.flow.channel import Channel
from pipeline.flow.junction import Place

Source = Callable[[], AbstractContextManager[Iterable[Any]]]


class Stopping(threading.Event):
    """Set once a flow is asked to stop; call it to look."""

    def __call__(self) -> bool:
        return self.is_set()


def read(source: Source, channel: Channel | Place, stopping: Stopping, count: Callable[[], None]) -> None:
    """Open the source, put all it gives into the channel, close it; no more after a stop.

    Args:
        count: called for each message before it is put.
    """
    if stopping.is_set():
        return
    with source() as items:
        iterator = iter(items)
        try:
            for item in iterator:
                count()
                channel.put([item])
                if stopping.is_set():
                    break
        finally:
            if isinstance(iterator, Generator):
                iterator.close()  # in this thread, not in the one that lets go of it last
