"""From an open container to decoded pictures: broken packets, seeking, deadlines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from pipeline.sources.sender import Sender

Pictures = Iterator[tuple[av.VideoFrame, float]]

BROKEN_READS = 64  # so many in a row without a packet are the end of what is damaged
STEPS_BACK_S = (0, 2, 10)  # how much earlier to look for a key frame, where the nearest lay too late
# MPEG-TS and MPEG-PS are sought in by decoding times, and to any packet: at the start itself to one behind the first.
BEFORE_START_S = 10


class Reading:
    """The pictures of one video stream, in the order they are shown, each with when it came in.

    Args:
        container, stream: open, ready to decode.
        live: pictures are stamped by when they were taken, or else by the arrival of their packets; those of a
            recording when they are decoded.
        silence_s: live streams: the longest time without a picture, although data come; seconds.
        wait: called before each read; raises where nothing will come.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        live: bool,
        silence_s: float,
        wait: Callable[[], None],
    ) -> None:
        self.undecodable = 0  # packets left out, because they are broken
        self._container = container
        self._stream = stream
        self._live = live
        self._silence_s = silence_s
        self._wait = wait

    def pictures(self) -> Pictures:
        """Decode from where the container stands.

        Raises:
            av.FFmpegError: reading failed.
            TimeoutError: a live stream sends data but no picture.
        """
        heard_s, last_s = time.monotonic(), 0.0
        for packet, arrived_s in self._packets():
            for picture in () if packet is None else self._decode(packet):
                heard_s = arrived_s
                if self._live:
                    came_s = picture.opaque
                    last_s = max(last_s, came_s if isinstance(came_s, float) else arrived_s)
                    yield picture, last_s
                else:
                    yield picture, time.monotonic()
            if self._live and arrived_s - heard_s > self._silence_s:
                raise TimeoutError

    def pictures_from(self, start_s: Fraction) -> Pictures | None:
        """Decode from the last key frame that is not behind `start_s`, seconds from the stream's start.

        None: it is not found, or cannot be sought; the container stands anywhere then, and is to be opened anew.
        """
        start, time_base = self._stream.start_time, self._stream.time_base
        if start is None or not time_base:
            return self.pictures()  # without timestamps there is nothing to seek by
        wanted = start + int(start_s / time_base)
        ahead = int(BEFORE_START_S / time_base)
        for target in (*(max(start, wanted - int(s / time_base)) for s in STEPS_BACK_S), start - ahead):
            try:
                self._container.seek(target, stream=self._stream)
            except (av.FFmpegError, OverflowError):
                return None
            pictures = self.pictures()
            first = next(pictures, None)
            if first is not None and (first[0].pts or start) <= wanted:
                return chain((first,), pictures)
        return None

    def _decode(self, packet: Packet[VideoStream]) -> list[av.VideoFrame]:
        try:
            return packet.decode()
        except av.FFmpegError:
            self.undecodable += 1
            return []

    def _packets(self) -> Iterator[tuple[Packet[VideoStream] | None, float]]:
        """Packets of the stream, with their arrival; None for one of another stream, of live sources."""
        index, broken, sender = self._stream.index, 0, Sender()
        while True:
            # of a live stream all packets, so that video that stops under running sound is noticed
            packets: Iterator[Packet[Any]] = (
                self._container.demux() if self._live else self._container.demux(self._stream)
            )
            try:
                while True:
                    self._wait()
                    packet = next(packets, None)
                    if packet is None:
                        return
                    broken, arrived_s = 0, time.monotonic()
                    if packet.stream.index == index:  # what lets the decoder's last pictures out says 0 of itself
                        packet.opaque = sender.taken_s(packet, arrived_s) if self._live else None
                        yield packet, arrived_s
                    else:
                        yield None, arrived_s
            except av.error.InvalidDataError:
                broken += 1
                self.undecodable += 1
                if broken >= BROKEN_READS:
                    if self._live:
                        raise
                    return
