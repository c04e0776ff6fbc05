"""A few frames of a recorded clip, evenly spread: to verify a backend on, or to calibrate with."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.config import Config
from pipeline.errors import SourceError
from pipeline.running.capture import open_configured
from pipeline.types import Frame

DRAWN = "demo:seed=11,frames=24,fps=1"  # where nobody names a clip: drawn, a second of driving apart


def sampled(spec: str, count: int, part: tuple[float, float] = (0.0, 1.0)) -> Iterator[Frame]:
    """Up to `count` frames, evenly over a part of a clip, read one by one.

    Args:
        spec: a video, images or a demo; see pipeline.sources.
        count: how many at most.
        part: where the part begins and ends, as shares of the clip.

    Raises:
        SourceError: it cannot be read, or is live.
    """
    total = length(spec)
    first, last = round(part[0] * total), max(round(part[1] * total), round(part[0] * total) + 1)
    many = min(count, last - first)
    wanted = {first + at * (last - first) // many for at in range(many)}
    with open_configured(spec, Config()) as frames:
        for number, frame in enumerate(frames):
            if number in wanted:
                wanted.remove(number)
                yield frame
            if not wanted:
                return


def length(spec: str) -> int:
    """How many frames a recorded source has, at least 1.

    Raises:
        SourceError: it cannot be read, has no frames, or is live.
    """
    source = open_configured(spec, Config())
    if source.live:
        raise SourceError(f"{source.info.name} is live, expected a recorded clip", hint="record it first")
    with source as frames:
        if next(iter(frames), None) is None:
            raise SourceError(f"{spec} has no frames", hint="give a clip with a few dozen frames")
        known = source.info.frames
        return known if known is not None else 1 + sum(1 for _ in frames)
