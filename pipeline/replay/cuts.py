"""Where a long file can be cut so that its segments together give exactly the frames of the whole."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from pipeline.media import open_media
from pipeline.replay.clean_keys import clean_key
from pipeline.sources.segment import Span, times_digest

LONG = 1.5  # a file is cut where it is so many times longer than a segment


def cut(path: Path, segment_s: float) -> tuple[Span, ...] | str:
    """Spans of at least `segment_s` seconds each, or why the file is not cut; "" where it is short.

    Reads the file's packets, decodes none. A file that cannot be opened counts as short: who reads it says why.

    Args:
        path: of a video file.
        segment_s: least length of a segment, seconds.
    """
    try:
        with open_media(f"file:{path}") as container:
            stream = _stream(container)
            if stream is None:
                return ""
            length_s = _length_s(container, stream)
            if length_s is not None and length_s < LONG * segment_s:
                return ""
            if stream.start_time is None or not stream.time_base:
                return "it has no presentation times"
            context = stream.codec_context
            clean = clean_key(context.codec.canonical_name, context.extradata)
            if clean is None:
                return f"it is not known which key frames of {context.codec.canonical_name} are clean"
            return _spans(container, stream, clean, int(Fraction(str(segment_s)) / stream.time_base))
    except (av.FFmpegError, OSError, ValueError):
        return ""


def _stream(container: InputContainer) -> VideoStream | None:
    """The stream that the source decodes, see pipeline.sources.container."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    best = container.streams.best("video")
    chosen = [s for s in streams if best is not None and s.index == best.index] or streams
    return chosen[0] if chosen and chosen[0].codec_context is not None else None


def _length_s(container: InputContainer, stream: VideoStream) -> Fraction | None:
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    return Fraction(container.duration, av.time_base) if container.duration else None


def _spans(
    container: InputContainer, stream: VideoStream, clean: Callable[[bytes], bool], segment: int
) -> tuple[Span, ...] | str:
    times: list[int] = []
    keys: list[int] = []  # places in `times`, in the order of decoding
    for packet in container.demux(stream):
        if packet.size == 0:  # the end
            continue
        if packet.pts is None:
            return "it has no presentation times"
        if packet.is_discard:  # cut away by an edit list: decoded, not shown
            continue
        if packet.is_keyframe and clean(bytes(packet)):
            keys.append(len(times))
        times.append(packet.pts)
    decoded = np.array(times, np.int64)
    shown = np.sort(decoded)
    if len(shown) < 2 or (np.diff(shown) == 0).any():
        return "" if len(shown) < 2 else "two of its pictures have one presentation time"
    if shown[-1] - shown[0] < LONG * segment:
        return ""
    latest = np.maximum.accumulate(decoded)  # shown so far, in the order of decoding
    clean_times = [int(decoded[i]) for i in keys if i == 0 or latest[i - 1] < decoded[i]]
    cuts = [int(shown[0])]
    for time in clean_times:
        if time - cuts[-1] >= segment and shown[-1] - time >= segment // 2:
            cuts.append(time)
    if len(cuts) == 1:
        return "it has no clean key frame to be cut at"
    ends = [*cuts[1:], None]
    places = np.searchsorted(shown, [*cuts, int(shown[-1]) + 1]).tolist()
    return tuple(
        Span(begin, end, first, last - first, times_digest(shown[first:last]))
        for begin, end, (first, last) in zip(cuts, ends, pairwise(places), strict=True)
    )
