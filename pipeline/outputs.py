"""From the configuration to the sinks it asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.config import OutputConfig
from pipeline.types import Classes, Sink, Source

Opener = Callable[[], Sink]


def sinks(
    out: OutputConfig, spec: str, source: Source, start_s: float, opened: list[Sink]
) -> list[tuple[str, Opener]]:
    """Name and opener of each sink; a sink is added to `opened` when its thread opens it."""
    wanted: list[tuple[str, Opener]] = []

    def add(name: str, make: Opener) -> None:
        def opener() -> Sink:
            sink = make()
            opened.append(sink)
            return sink

        wanted.append((name, opener))

    if out.save is not None:
        from pipeline.sinks.codecs import VideoConfig
        from pipeline.sinks.video import VideoSink

        path, video = Path(out.save), VideoConfig(codec=out.codec, crf=out.crf, preset=out.preset)
        sound = Path(spec) if not source.live and Path(spec).is_file() else None
        add("video", lambda: VideoSink(path, video, audio_from=sound, start_s=start_s, rate=source.info.fps))
    if out.json is not None:
        from pipeline.sinks.jsonl import JsonlSink

        records = Path(out.json)
        add("json", lambda: JsonlSink(records, timing=out.timing))
    if out.masks is not None:
        from pipeline.sinks.masks import MaskSink

        masks = Path(out.masks)
        add("masks", lambda: MaskSink(masks, out.mask_ids))
    if out.pictures is not None:
        from pipeline.sinks.pictures import PictureSink

        pictures = Path(out.pictures)
        add("pictures", lambda: PictureSink(pictures))
    return wanted


def all_names(classes: Sequence[Classes]) -> list[str]:
    """Every class name of several models, each once, in order."""
    return list(dict.fromkeys(name for table in classes for name in table.names))
