"""From the configuration to the sinks it asks for."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.config import OutputConfig, ReconnectConfig
from pipeline.live.backoff import waits_s
from pipeline.sinks import sink_class
from pipeline.sinks.stdout import records_path
from pipeline.sources.network import masked
from pipeline.types import Card, Classes, Sink, Source

Opener = Callable[[], Sink]
STREAM = "stream:"  # how the causes begin for which a live stream lacks pictures of a run


def sinks(
    out: OutputConfig, spec: str, source: Source, start_s: float, opened: list[Sink]
) -> list[tuple[str, Opener]]:
    """Name and opener of each sink that is asked for.

    Args:
        out: with the source's own paths.
        spec: names the source; a saved video has the sound of a file.
        source: what it says of itself is asked now.
        start_s: what becomes time zero in a video, seconds.
        opened: takes each sink when its thread opens it.

    Raises:
        SinkError: an address that is none.
    """
    wanted: dict[str, tuple[Any, Callable[[], dict[str, Any]]]] = {  # name in SINKS -> where to, what it is told
        "video": (_path(out.save), lambda: _video(out, spec, source, start_s)),
        "json": (None if out.json is None else records_path(out.json), lambda: {"timing": out.timing}),
        "masks": (_path(out.masks), lambda: {"ids": out.mask_ids}),
        "pictures": (_path(out.pictures), dict),
        "mqtt": (_broker(out), lambda: {"timing": out.timing, "live": source.live}),
        "stream": (_address(out), lambda: _stream(out, source, start_s)),
    }

    def opener(kind: Callable[..., Sink], path: Any, told: Callable[[], dict[str, Any]]) -> Sink:
        sink = kind(path, **told())  # at the first picture: what the source says of itself is known by then
        opened.append(sink)
        return sink

    return [
        (name, partial(opener, sink_class(name), path, told))
        for name, (path, told) in wanted.items()
        if path is not None
    ]


def _video(out: OutputConfig, spec: str, source: Source, start_s: float) -> dict[str, Any]:
    """What the sink of a video is told."""
    from pipeline.sinks.codecs import VideoConfig

    return {
        "config": VideoConfig(codec=out.codec, crf=out.crf, preset=out.preset),
        "audio_from": Path(spec) if out.sound and not source.live and Path(spec).is_file() else None,
        "start_s": start_s,
        "rate": source.info.fps,
        "pixel_aspect": source.info.pixel_aspect,
        "colours": source.info.colours,
    }


def _broker(out: OutputConfig) -> Any:
    """Where each record is published, None for nowhere."""
    if out.mqtt is None:
        return None
    from pipeline.sinks.broker import parse_broker

    return parse_broker(out.mqtt)


def _address(out: OutputConfig) -> Any:
    """Where the live stream goes, None for nowhere."""
    if out.stream is None:
        return None
    from pipeline.sinks.stream.address import parse_address

    return parse_address(out.stream, masked(out.stream))


def _stream(out: OutputConfig, source: Source, start_s: float) -> dict[str, Any]:
    """What the sink of the live stream is told."""
    return {
        "live": source.live,
        "waits": lambda: waits_s(ReconnectConfig(), random.Random()),
        "kbps": out.stream_kbps,
        "preset": out.stream_preset,
        "timeout_s": out.stream_timeout_s,
        "start_s": start_s,
        "rate": source.info.fps,
    }


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)


def looked_for(cards: Sequence[Card], only: Sequence[str]) -> list[str]:
    """Names of the classes that can come out, each once: of several networks `only` chooses among objects alone."""
    objects = any(card.family != "semantic" for card in cards)
    return [
        name
        for name in all_names([card.classes for card in cards])
        if not only
        or name in only
        or (objects and any(card.family == "semantic" and name in card.classes.names for card in cards))
    ]


def all_names(classes: Sequence[Classes]) -> list[str]:
    """Every class name of several models, each once, in order."""
    return list(dict.fromkeys(name for table in classes for name in table.names))
