"""The process that sends: takes packets from a pipe and hands them to FFmpeg's muxer, which may wait for the network.

FFmpeg connects while PyAV holds the interpreter's lock, and some of its protocols know no deadline. In a process of
its own nobody waits with it, and it ends when it is told to.

Reads a line of JSON (Asked), then packets; says `{"open": true}` once the receiver has taken the stream, and
`{"error": name, "errno": number}` before it ends for another reason than the end of its input.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import av
import msgspec
import numpy as np
from av.codec.context import Flags

from pipeline.image import Image, Matrix
from pipeline.sinks.muxer import set_up
from pipeline.sinks.stream.framing import HEADER


class Asked(msgspec.Struct, frozen=True):
    """What is sent, and where to."""

    url: str
    muxer: str
    options: dict[str, str]  # of the muxer
    codec: str
    codec_options: dict[str, str]
    size_hw: tuple[int, int]
    matrix: Matrix
    full_range: bool
    clock: tuple[int, int]  # the length of a tick, seconds: numerator, denominator
    rate: tuple[int, int]  # frames a second; a tag only


def main() -> None:
    """Send until the input ends."""
    asked = msgspec.json.decode(sys.stdin.buffer.readline(), type=Asked)
    try:
        _send(asked, sys.stdin.buffer)
    except (av.FFmpegError, OSError, ValueError) as error:
        _say({"error": type(error).__name__, "errno": getattr(error, "errno", None) or 0})


def _send(asked: Asked, pipe: BinaryIO) -> None:
    with av.open(asked.url, "w", format=asked.muxer, container_options=asked.options) as container:
        rate, clock = Fraction(*asked.rate), Fraction(*asked.clock)
        stream: Any = container.add_stream(asked.codec, rate=rate, options=asked.codec_options)
        stream.time_base = clock
        nothing = np.broadcast_to(np.uint8(0), asked.size_hw)
        set_up(
            stream.codec_context, Image((nothing,), "yuv420p", asked.matrix, asked.full_range), "yuv420p", clock, 1
        )
        stream.codec_context.flags |= Flags.global_header  # as PacketEncoder: MPEG-TS would not ask for it
        container.start_encoding()
        _say({"open": True})
        for packet in _packets(pipe):
            packet.time_base, packet.stream = clock, stream
            container.mux_one(packet)


def _packets(pipe: BinaryIO) -> Iterator[Any]:
    while len(header := pipe.read(HEADER.size)) == HEADER.size:
        ticks, decode_ticks, duration, size, key = HEADER.unpack(header)
        data = pipe.read(size)
        if len(data) < size:
            return
        packet: Any = av.Packet(data)
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = ticks, decode_ticks, duration, bool(key)
        yield packet


def _say(what: dict[str, object]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()
