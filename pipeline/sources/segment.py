"""A part of a video file, from a key frame on, with the frames that an unsplit reading gives it."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pipeline.errors import SourceError
from pipeline.sources import SourceOptions
from pipeline.sources.clock import Clock
from pipeline.sources.file import File
from pipeline.sources.planes import PlaneReader
from pipeline.sources.reading import Reading
from pipeline.types import Frame


class SegmentError(SourceError):
    """The frames that came are not those that the file's index promised: read it in one piece."""


@dataclass(frozen=True, slots=True)
class Span:
    """The frames of a file that are shown from one clean key frame to the next one that was chosen."""

    begin: int  # presentation time of the key frame, in the stream's time base
    end: int | None  # of the next segment's key frame; None: to the end
    first: int  # index of its first frame in the whole file
    frames: int  # how many there are
    digest: str  # of their presentation times, see times_digest


def times_digest(pts: NDArray[np.int64]) -> str:
    """A short digest of presentation times, in their order."""
    return hashlib.sha256(pts.astype("<i8").tobytes()).hexdigest()[:16]


class SegmentFile(File):
    """The frames of a span: their index and time are those of the whole file.

    Decoding begins at the span's key frame. What is shown before it (leading pictures of an open GOP, which need the
    pictures before the key frame) belongs to the span before, whose decoder reads on past this key frame until all of
    its own frames have come.

    Args:
        spec: path of the file.
        options: start_s and fps are not used: a file without times is not split.
        span: as pipeline.replay.cuts planned it.

    Raises:
        SegmentError: from the iterator, at its end: other frames came than were planned.
    """

    def __init__(self, spec: str, options: SourceOptions, span: Span) -> None:
        super().__init__(spec, options)
        self._span = span

    def _frames(self, container: InputContainer, stream: VideoStream) -> Generator[Frame]:
        span = self._span
        self._reading = reading = Reading(container, stream, False, 0.0, self._wait)
        clock = Clock(stream, None, False)
        image_of = PlaneReader(self._options.pixel_format == "bgr24")
        ahead = Fraction(span.begin - clock.origin) * clock.time_base
        self._info = replace(self._info, frames=span.frames)
        came: list[int] = []
        try:
            for picture, came_s in (reading.pictures_from(ahead) if ahead > 0 else reading.pictures()) or ():
                pts = clock.time(picture, came_s)
                if pts < span.begin:
                    continue
                if span.end is not None and pts >= span.end:
                    break
                image = image_of(picture)
                if not came:
                    self._info = replace(self._info, size_hw=image.size_hw)
                came.append(pts)
                yield Frame(span.first + len(came) - 1, pts, clock.time_base, came_s, image)
        except (av.FFmpegError, OSError) as error:
            raise SegmentError(f"{self._name} cannot be read from a key frame on: {type(error).__name__}") from None
        if len(came) != span.frames or times_digest(np.array(came, np.int64)) != span.digest:
            raise SegmentError(
                f"{self._name} gives {len(came)} frames from frame {span.first} on, its index says {span.frames}",
                hint="read it in one piece",
            )
