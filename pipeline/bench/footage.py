"""What a benchmark looks at: frames from memory, or decoded again and again; without end either way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice

from pipeline.config import Config
from pipeline.errors import SourceError
from pipeline.image import Image
from pipeline.running.capture import open_configured
from pipeline.types import Frame, Source, SourceInfo

HELD_BYTES = 256 << 20  # of pictures in memory
SAMPLES = 8  # pictures that the network alone is measured with


@dataclass(frozen=True, slots=True)
class Footage:
    """Pictures without end, and what they are."""

    info: SourceInfo
    told: str  # what reading them costs, and whether that is measured
    samples: tuple[Frame, ...]  # some of them
    pictures: Callable[[], Iterator[Image]]  # from the first one on, each time it is called


def open_footage(spec: str, config: Config, frames: int | None, *, decode: bool) -> Footage:
    """Read what a source begins with, so that what is wrong with it shows before anything is measured.

    Args:
        spec: names a recorded source.
        config: its section `source` says which frames are taken.
        frames: take so many at most, then begin again.
        decode: decode while it is measured, as a run does; else hold the pictures in memory. Drawn pictures are held
            in any case: drawing them is no part of a pipeline.

    Raises:
        SourceError: it cannot be read, is live or holds nothing.
    """
    source = open_configured(spec, config)
    if source.live:
        raise SourceError(
            f"{source.info.name} is live: a benchmark needs the same frames again and again",
            hint="record some seconds of it first; --scenario live plays them at their own pace",
        )
    drawn = spec == "demo" or spec.startswith("demo:")
    decode = decode and not drawn
    with source as opened:
        taken = _taken(opened, config, frames)
        first = list(islice(taken, 1))
        if not first:
            raise SourceError(f"{source.info.name} holds no frames", hint="give a clip, or leave it out for `demo`")
        most = max(SAMPLES, HELD_BYTES // max(1, sum(plane.nbytes for plane in first[0].image.planes)))
        held = first + list(islice(taken, (SAMPLES if decode else most) - 1))
        info = source.info
    samples = tuple(held[place * len(held) // SAMPLES] for place in range(min(SAMPLES, len(held))))
    if decode:
        told = "decoded from the file as it is measured, from its beginning again at its end"
        return Footage(info, told, samples, lambda: _decoded(spec, config, frames))
    images = [frame.image for frame in held]
    how, doing = ("drawn", "drawing") if drawn else ("decoded", "decoding")
    told = f"{len(images)} frames, {how} beforehand and held in memory: {doing} them is not measured"
    return Footage(info, told, samples, lambda: cycle(images))


def _decoded(spec: str, config: Config, frames: int | None) -> Iterator[Image]:
    while True:
        source: Source = open_configured(spec, config)
        with source as opened:
            for frame in _taken(opened, config, frames):
                yield frame.image


def _taken(opened: Iterable[Frame], config: Config, frames: int | None) -> Iterator[Frame]:
    return islice(opened, 0, None if frames is None else frames * config.source.every, config.source.every)
