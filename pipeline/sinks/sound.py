"""The sound of a source, copied as it is beside the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from pipeline.media import open_media


class Sound:
    """The packets of a file's first sound track, in time with the pictures.

    Args:
        path: a media file.
        start_s: what begins before is left out, seconds.
        origin: the time of the source that is time zero of the output, seconds.

    Raises:
        av.FFmpegError: the file cannot be opened.
        LookupError: it has no sound.
    """

    def __init__(self, path: Path, start_s: float, origin: Fraction) -> None:
        self._container = open_media(f"file:{path}")
        tracks = self._container.streams.audio
        if not tracks:
            self._container.close()
            raise LookupError(f"{path} has no sound")
        self._track = tracks[0]
        self.codec = self._track.codec_context.name
        self.ticks_hz = Fraction(self._track.time_base or 1).denominator  # of its times
        self._start_s, self._origin = start_s, origin
        if start_s:
            self._container.seek(round(start_s * av.time_base))
        self._packets = self._read()
        self._next: Any = None  # the packet that is not due yet

    def add_to(self, container: Any) -> None:
        """Make a track for it; ValueError or av.FFmpegError where the container cannot hold its codec."""
        self._target = container.add_stream_from_template(self._track)

    def until(self, end_s: float) -> Iterator[Any]:
        """The packets not given yet that begin before a time of the output, seconds."""
        while True:
            packet = self._next or next(self._packets, None)
            self._next = packet
            if packet is None or float(packet.pts * packet.time_base) >= end_s:
                return
            self._next = None
            yield packet

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _read(self) -> Iterator[Any]:
        for packet in self._container.demux(self._track):
            if packet.pts is None:  # the empty one at the end
                continue
            if self._start_s and float(packet.pts * packet.time_base) < self._start_s:
                continue
            origin = round(self._origin / packet.time_base)
            packet.pts -= origin
            packet.dts = packet.pts if packet.dts is None else packet.dts - origin
            packet.stream = self._target
            yield packet
