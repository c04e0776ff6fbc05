"""Key frames from which decoding gives exactly what it gives in passing.

A packet flagged as a key frame is not always one: in H.264 a picture behind an open I frame may still refer to what
was before it, and only an IDR picture ends that (ITU-T H.264, 7.4.1.2.4). In HEVC every IRAP picture does (H.265,
7.4.2.2): what is shown behind it refers to nothing before it. The other codecs here have key frames that nothing
behind them, in the order of showing, looks past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

PLAIN = frozenset(
    ("av1", "dnxhd", "ffv1", "huffyuv", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "prores", "vp8", "vp9")
)


def clean_key(codec: str, extradata: bytes | None) -> Callable[[bytes], bool] | None:
    """What tells, from the bytes of a packet flagged as a key frame, whether a file can be cut before it.

    Args:
        codec: FFmpeg's canonical name.
        extradata: of the stream: says how the packets are laid out.

    Returns:
        None: of this codec it is not known.
    """
    if codec in PLAIN:
        return lambda packet: True
    extradata = extradata or b""
    boxed = extradata[:1] == b"\x01"  # avcC and hvcC: every unit has its length before it
    if codec == "h264":
        length = (extradata[4] & 3) + 1 if boxed and len(extradata) > 4 else 0
        return lambda packet: next((kind == 5 for kind in _kinds(packet, length, 0, 31) if 1 <= kind <= 5), False)
    if codec == "hevc":
        length = (extradata[21] & 3) + 1 if boxed and len(extradata) > 21 else 0
        return lambda packet: next((16 <= kind <= 21 for kind in _kinds(packet, length, 1, 63) if kind < 32), False)
    return None


def _kinds(packet: bytes, length: int, shift: int, mask: int) -> Iterator[int]:
    """The types of a packet's NAL units; `length`: bytes of the length before each, 0: start codes (Annex B)."""
    at = 0
    if length:
        while at + length < len(packet):
            yield packet[at + length] >> shift & mask
            at += length + int.from_bytes(packet[at : at + length], "big")
        return
    while (at := packet.find(b"\0\0\1", at)) >= 0 and at + 3 < len(packet):
        yield packet[at + 3] >> shift & mask
        at += 3
