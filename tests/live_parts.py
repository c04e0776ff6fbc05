"""What tests of live sources need: all frames until the source is lost, and how it was."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from pipeline.errors import SourceError
from pipeline.sources import SourceOptions, open_source
from pipeline.types import Frame, Source

QUICK = SourceOptions(open_timeout_s=3, read_timeout_s=0.6)
SECRET = "s3cret"


def until_lost(
    source: str | Source, options: SourceOptions = QUICK, at: int = -1, then: Callable[[], None] = lambda: None
) -> tuple[list[Frame], SourceError]:
    """All frames that came, and the error at the end. Frame `at` makes `then` happen."""
    frames: list[Frame] = []

    def read() -> None:
        with open_source(source, options) if isinstance(source, str) else source as opened:
            for frame in opened:
                frames.append(frame)
                if frame.index == at:
                    then()

    with pytest.raises(SourceError) as caught:
        read()
    assert "\n" not in caught.value.message
    return frames, caught.value


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
