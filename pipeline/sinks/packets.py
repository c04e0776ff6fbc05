"""Pictures as packets in memory, for whoever decides later whether they become a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.codec.context import Flags
from av.video.frame import PictureType

from pipeline.image import Image
from pipeline.sinks.codecs import VideoConfig, encoder_options
from pipeline.sinks.encoder_frame import EncoderFrame
from pipeline.sinks.muxer import pix_fmt_of, set_up


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded picture."""

    ticks: int  # when it is shown
    decode_ticks: int
    key: bool
    data: bytes


class PacketEncoder:
    """Encodes as Muxer does with the same arguments, so that its packets fit into a file of Muxer's.

    Args:
        codec: FFmpeg's encoder.
        config: of the encoder.
        first: the first picture, which decides the size and the colours.
        clock: the length of a tick, seconds.
        rate: frames a second as far as known; a tag only.

    Raises:
        av.FFmpegError, OSError, ValueError: the encoder refuses.
    """

    def __init__(self, codec: str, config: VideoConfig, first: Image, clock: Fraction, rate: Fraction | None) -> None:
        context: Any = av.CodecContext.create(codec, "w")
        pix_fmt = pix_fmt_of(first, codec)
        set_up(context, first, pix_fmt, clock, config.threads)
        context.framerate = rate or Fraction(25)
        context.options = encoder_options(config, codec) | ({"forced-idr": "1"} if codec.startswith("libx26") else {})
        context.flags |= Flags.global_header
        self._context, self._clock = context, clock
        self._frames = EncoderFrame(first.size_hw, pix_fmt, first.matrix, first.full_range)

    def encode(self, image: Image, ticks: int, key: bool) -> Iterator[Packet]:
        """The packets that are ready once this picture came; `key`: it shall be decodable on its own."""
        return self.encode_frame(self._frames.fill(image), ticks, key)

    def encode_frame(self, frame: av.VideoFrame, ticks: int, key: bool) -> Iterator[Packet]:
        """As encode, for what an EncoderFrame of the same size and colours filled."""
        frame.time_base, frame.pts = self._clock, ticks
        if key:
            frame.pict_type = PictureType.I
        return self._ready(frame)

    def flush(self) -> Iterator[Packet]:
        """The packets that were held back; nothing can be encoded afterwards."""
        return self._ready(None)

    def _ready(self, frame: av.VideoFrame | None) -> Iterator[Packet]:
        for packet in self._context.encode(frame):
            yield Packet(packet.pts, packet.dts, packet.is_keyframe, bytes(packet))
