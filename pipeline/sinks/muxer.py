"""A video file that is being written: the container, the encoder and the sound."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any

import av

from pipeline.image import Image
from pipeline.sinks.codecs import EVEN_ONLY, VideoConfig, encoder_options
from pipeline.sinks.sound import Sound

_MATRIX = {"bt601": 6, "bt709": 1, "bt2020": 9}  # AVCOL_SPC_SMPTE170M, BT709, BT2020_NCL
# Without delay_moov the times in a file that was not closed are late by one fragment.
_FRAGMENTS = {"movflags": "+hybrid_fragmented+delay_moov", "frag_duration": "500000"}
MOST_TICKS_HZ = 2**31 - 1  # that an mp4 can state
_PIECES = {  # options that bring what was encoded to the disk at least every half second
    "mp4": _FRAGMENTS,
    "mov": _FRAGMENTS,
    "matroska": {"cluster_time_limit": "500"},
    "webm": {"cluster_time_limit": "500"},
}


def pix_fmt_of(first: Image, codec: str) -> str:
    """The encoder's pixel format for pictures as this one."""
    odd = first.size_hw[0] % 2 or first.size_hw[1] % 2
    return "yuv444p" if odd and codec in EVEN_ONLY else "yuv420p"


def set_up(context: Any, first: Image, pix_fmt: str, clock: Fraction, threads: int) -> None:
    """Tell an encoder that is not open yet what pictures will come."""
    context.height, context.width = first.size_hw
    context.pix_fmt = pix_fmt
    context.time_base = clock
    context.thread_count = threads
    context.colorspace = _MATRIX[first.matrix]
    context.color_range = 2 if first.full_range else 1  # AVCOL_RANGE_JPEG, AVCOL_RANGE_MPEG


def _movie_timescale(clock: Fraction, sound: Sound | None) -> int:
    """Ticks a second that a late start of pictures or sound is told in; 1000 by default, which rounds it to 1 ms."""
    both = lcm(clock.denominator, sound.ticks_hz) if sound is not None else clock.denominator
    return both if both <= MOST_TICKS_HZ else clock.denominator


class Muxer:
    """Encodes frames and interleaves them with the sound.

    An mp4 or mov is written in fragments of half a second: it plays up to the last of them when the process is
    killed, and becomes an ordinary file when it is closed (FFmpeg's hybrid_fragmented).

    Args:
        path: where to write.
        container: FFmpeg's muxer.
        codec: FFmpeg's encoder.
        config: of the encoder.
        first: the first picture, which decides the size and the colours.
        clock: the length of a tick, seconds.
        rate: frames a second as far as known; a tag only.
        sound: copied beside the pictures.
        pixel_aspect: a pixel's width over its height.
        colours: primaries and transfer, see SourceInfo.

    Raises:
        av.FFmpegError, OSError, ValueError: the encoder, the container or the system refuses; ValueError also where
            the encoder has no such option.
    """

    def __init__(
        self,
        path: Path,
        container: str,
        codec: str,
        config: VideoConfig,
        first: Image,
        clock: Fraction,
        rate: Fraction | None,
        sound: Sound | None,
        pixel_aspect: Fraction = Fraction(1),
        colours: tuple[int, int] = (2, 2),
    ) -> None:
        self.pix_fmt = pix_fmt_of(first, codec)
        self._sound, self._clock, self._duration = sound, clock, 0
        options = {"avoid_negative_ts": "disabled", "max_interleave_delta": "1000000", "flush_packets": "1"}
        options |= _PIECES.get(container, {})
        if container in ("mp4", "mov"):
            options["movie_timescale"] = str(_movie_timescale(clock, sound))
        self._container = av.open(f"file:{path}", "w", format=container, container_options=options)
        try:
            stream: Any = self._container.add_stream(
                codec, rate=rate or Fraction(25), options=encoder_options(config, codec)
            )
            stream.time_base = clock
            set_up(stream.codec_context, first, self.pix_fmt, clock, config.threads)
            stream.codec_context.color_primaries, stream.codec_context.color_trc = colours
            if pixel_aspect != 1:
                stream.codec_context.sample_aspect_ratio = pixel_aspect
            self._stream = stream
            if sound is not None:
                sound.add_to(self._container)
            self._container.start_encoding()
            if unknown := stream.codec_context.options:  # FFmpeg leaves in it what the encoder did not take
                raise ValueError(f"{codec} knows no {' and no '.join(unknown)}")
        except BaseException:
            self._container.close()
            raise

    def write(self, frame: av.VideoFrame, ticks: int, duration: int) -> None:
        """Encode a frame that is shown at `ticks` of the clock, for about `duration`, and the sound up to it."""
        frame.time_base, frame.pts, self._duration = self._clock, ticks, duration
        if self._sound is not None:
            self._copy_sound(float(ticks * self._clock))
        self._encode(frame)

    def copy(self, data: bytes, ticks: int, decode_ticks: int, duration: int, key: bool) -> None:
        """Take a packet that another encoder with the same settings made."""
        packet: Any = av.Packet(data)
        packet.time_base, packet.stream, packet.is_keyframe = self._clock, self._stream, key
        packet.pts, packet.dts, packet.duration = ticks, decode_ticks, duration
        self._container.mux_one(packet)

    def close(self, end_s: float | None) -> None:
        """Write what the encoder still holds and the sound until `end_s`; None: as little as possible."""
        try:
            if end_s is not None:
                if self._sound is not None:
                    self._copy_sound(end_s)
                self._encode(None)
        finally:
            self._container.close()

    def _encode(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            packet.duration = self._duration  # counts for the last one; the others last until the next begins
            self._container.mux_one(packet)

    def _copy_sound(self, end_s: float) -> None:
        assert self._sound is not None
        for packet in self._sound.until(end_s):
            self._container.mux_one(packet)
