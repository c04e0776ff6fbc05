"""What tests of video files need: all frames, and the error of a file that cannot be read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.sources import SourceOptions, open_source
from pipeline.types import Frame


def read(path: Path | str, **options: object) -> list[Frame]:
    with open_source(str(path), SourceOptions(**options)) as frames:  # type: ignore[arg-type]
        return list(frames)


def digest(frame: Frame) -> str:
    return hashlib.sha256(b"".join(plane.tobytes() for plane in frame.image.planes)).hexdigest()


def refusal(spec: Path | str, **options: object) -> SourceError:
    """The error of a source that cannot be read: one sentence, nothing of FFmpeg's or Python's in it."""
    with pytest.raises(SourceError) as caught:
        read(spec, **options)
    assert "\n" not in caught.value.message
    message = caught.value.message.replace(str(spec), "")
    for jargon in ("Errno", "Invalid data", "moov", "AVERROR", "Traceback", "av.error"):
        assert jargon not in message
    return caught.value
