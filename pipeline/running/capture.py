"""Sources as a run reads them: opened as configured, with their times, the frames that were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic

from pipeline.config import Config
from pipeline.live.supervised import Supervised
from pipeline.sources import SourceOptions, open_source
from pipeline.types import Frame, Source

STALLED_S = 1.0  # a live source without a frame for so long is said to be stalled
DRAWN = "lavfi:"  # FFmpeg's own pictures: where they end, they were meant to


def open_configured(spec: str, config: Config) -> Source:
    """The source that a string names, with the options of a configuration; nothing is opened yet."""
    chosen = config.source
    return open_source(
        spec,
        SourceOptions(
            start_s=chosen.start_s,
            fps=chosen.fps,
            open_timeout_s=chosen.open_timeout_s,
            read_timeout_s=chosen.read_timeout_s,
        ),
    )


def open_supervised(spec: str, config: Config) -> Supervised:
    """The same with a state, opened again when it is lost where the configuration wants that."""
    chosen = config.source
    live = open_configured(spec, config).live
    rules = chosen.reconnect
    again = live and not spec.startswith(DRAWN) if rules.enabled is None else rules.enabled
    stalled_s = min(STALLED_S, chosen.read_timeout_s / 2) if live else None
    return Supervised(lambda: open_configured(spec, config), rules if again else None, stalled_s)


@contextmanager
def capture(source: Source, config: Config, number: int = 0) -> Iterator[Iterable[Frame]]:
    """The frames of source `number` of a run that its configuration asks for."""
    with source as frames:
        chosen = _chosen(_timed(frames), config)
        yield (replace(frame, source=number) for frame in chosen) if number else chosen


def _timed(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The frames with the time that the source took for each, stamped as `capture` unless it says so itself."""
    began = monotonic()
    for frame in frames:
        frame.stamps.spans.setdefault("capture", (began, monotonic()))
        yield frame
        began = monotonic()


def _chosen(frames: Iterable[Frame], config: Config) -> Iterator[Frame]:
    """Every k-th frame, and no more than asked for."""
    left = config.source.frames
    for frame in frames:
        if frame.index % config.source.every:
            continue
        yield frame
        if left is not None:
            left -= 1
            if left == 0:
                return
