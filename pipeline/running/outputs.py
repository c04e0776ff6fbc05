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
from pipeline.sources.network import masked
from pipeline.types import Classes, Sink, Source

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
    wanted: dict[str, tuple[Any, dict[str, Any]]] = {  # name in SINKS -> where to, what it is told
        "video": (_path(out.save), {"start_s": start_s, "rate": source.info.fps}),
        "json": (_path(out.json), {"timing": out.timing}),
        "masks": (_path(out.masks), {"ids": out.mask_ids}),
        "pictures": (_path(out.pictures), {}),
        "mqtt": (out.mqtt, {"timing": out.timing}),
        "stream": _stream(out, source, start_s),
    }
    if out.save is not None:
        from pipeline.sinks.codecs import VideoConfig

        sound = Path(spec) if not source.live and Path(spec).is_file() else None
        video = VideoConfig(codec=out.codec, crf=out.crf, preset=out.preset)
        wanted["video"][1].update(config=video, audio_from=sound)

    def opener(kind: Callable[..., Sink], path: Any, told: dict[str, Any]) -> Sink:
        sink = kind(path, **told)
        opened.append(sink)
        return sink

    return [
        (name, partial(opener, sink_class(name), path, told))
        for name, (path, told) in wanted.items()
        if path is not None
    ]


def _stream(out: OutputConfig, source: Source, start_s: float) -> tuple[Any, dict[str, Any]]:
    """Where the live stream goes, None for nowhere, and what its sink is told."""
    if out.stream is None:
        return None, {}
    from pipeline.sinks.stream.address import parse_address

    return parse_address(out.stream, masked(out.stream)), {
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


def all_names(classes: Sequence[Classes]) -> list[str]:
    """Every class name of several models, each once, in order."""
    return list(dict.fromkeys(name for table in classes for name in table.names))
