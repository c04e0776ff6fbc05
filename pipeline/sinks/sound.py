"""The sound of a source, copied as it is beside the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext

from pipeline.media import open_media
from pipeline.sinks.presentation import Presentation

ADTS = (0xFF, 0xF0)  # how a packet of AAC begins that has a head of its own, as in MPEG-TS: 12 bits


class Sound:
    """The packets of a file's first sound track, in time with the pictures.

    AAC is given without the heads that MPEG-TS puts before each packet: an MP4 holds what they say once.

    Args:
        path: a media file.
        start_s: what begins before is left out, seconds.
        times: of the pictures. Where the source's times jump, the sound goes on when the pictures have.

    Raises:
        av.FFmpegError: the file cannot be opened.
        LookupError: it has no sound.
        ValueError: sound of a codec that FFmpeg does not know.
    """

    def __init__(self, path: Path, start_s: float, times: Presentation) -> None:
        self._container = open_media(f"file:{path}")
        tracks = self._container.streams.audio
        if not tracks:
            self._container.close()
            raise LookupError(f"{path} has no sound")
        self._track = tracks[0]
        if self._track.codec_context is None:
            self._container.close()
            raise ValueError("its codec is not known here")
        self.codec = self._track.codec_context.name
        self.ticks_hz = Fraction(self._track.time_base or 1).denominator  # of its times
        self._start_s, self._times = start_s, times
        self._jumps = 0  # of the source's times, so far
        if start_s:
            self._container.seek(round(start_s * av.time_base))
        self._packets = self._read()
        self._next: Any = None  # the packet that is not due yet
        self._last_s: Fraction | None = None  # of the packet before, in the source
        self._last_dts: int | None = None  # of the packet before, in the output: it only grows

    def add_to(self, container: Any) -> None:
        """Make a track for it; ValueError or av.FFmpegError where the container cannot hold its codec."""
        self._target = container.add_stream_from_template(self._track)

    def until(self, end_s: float) -> Iterator[Any]:
        """The packets not given yet that begin before a time of the output, seconds."""
        while (packet := self._next or next(self._packets, None)) is not None:
            self._next = packet
            at_s = packet.pts * packet.time_base
            self._jumps = min(self._jumps, len(self._times.origins) - 1)  # one that was none is forgotten
            jumped = self._last_s is not None and self._times.jumps(at_s - self._last_s)
            if jumped and self._jumps + 1 == len(self._times.origins):
                return  # the pictures have not
            origin_s = self._times.origins[self._jumps + jumped]
            if float(at_s - origin_s) >= end_s:
                return
            self._next, self._last_s, self._jumps = None, at_s, self._jumps + jumped
            origin = round(origin_s / packet.time_base)
            packet.pts -= origin
            packet.dts = packet.pts if packet.dts is None else packet.dts - origin
            if self._last_dts is None or packet.dts > self._last_dts:
                self._last_dts = packet.dts
                packet.stream = self._target
                yield packet

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _read(self) -> Iterator[Any]:
        heads: BitStreamFilterContext | None = None  # its first packet carries what all heads said
        for packet in self._container.demux(self._track):
            if packet.pts is None:  # the empty one at the end
                continue
            if self._start_s and float(packet.pts * packet.time_base) < self._start_s:
                continue
            if heads is None and self.codec.startswith("aac") and _has_head(packet):
                heads = BitStreamFilterContext("aac_adtstoasc", self._track)
            try:
                yield from (packet,) if heads is None else heads.filter(packet)
            except av.FFmpegError:  # broken: a little silence
                heads = None


def _has_head(packet: Any) -> bool:
    head = bytes(packet)[:2]
    return len(head) == 2 and head[0] == ADTS[0] and head[1] & 0xF0 == ADTS[1]
