"""Where a live stream goes: what FFmpeg is told for it, and what a person is told when it does not go there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import SinkError

_RTSP = ("rtsp", {"rtsp_transport": "tcp"})  # over UDP pictures lose parts
_RTMP = ("flv", {"flvflags": "no_duration_filesize"})
_TS = ("mpegts", {"flush_packets": "1"})
SCHEMES: Mapping[str, tuple[str, Mapping[str, str]]] = {  # scheme -> FFmpeg's muxer and its options
    "rtsp": _RTSP,
    "rtsps": _RTSP,
    "rtmp": _RTMP,
    "rtmps": _RTMP,
    "udp": _TS,
    "srt": _TS,
}
_PORT_NEEDED = ("udp", "srt")
_EXAMPLE = "for instance rtsp://host:8554/road, rtmp://host/live/road, udp://host:5000 or srt://host:5000"
_WHY = {  # name of FFmpeg's error, as PyAV calls it -> what went wrong, what to do
    "ConnectionRefusedError": ("refuses the connection: nothing listens there", "check host and port"),
    "HTTPUnauthorizedError": ("refuses the user name or the password", "as in rtsp://user:password@host/path"),
    "HTTPForbiddenError": ("forbids it (403)", "check the rights of this user"),
    "HTTPNotFoundError": ("takes nothing at this path (404)", "check the path"),
    "HTTPClientError": ("does not take a stream there (4xx)", "check the path, and whether it takes RECORD"),
    "HTTPServerError": ("answers with an error of its own (5xx)", "look at the server"),
    "InvalidDataError": ("answers with something that is no stream's", "check host, port and path"),
    "BrokenPipeError": ("ended the connection", "look at the server"),
    "ConnectionResetError": ("ended the connection", "look at the server"),
    "EOFError": ("ended the connection", "look at the server"),
}
NO_PROTOCOL = "ProtocolNotFoundError"


@dataclass(frozen=True, slots=True)
class Address:
    """A receiver."""

    url: str  # as FFmpeg takes it; may hold a password
    name: str  # for people: nothing secret
    muxer: str
    options: Mapping[str, str]


def parse_address(url: str, name: str) -> Address:
    """What a stream's address means.

    Args:
        url: rtsp, rtsps, rtmp, rtmps, udp or srt.
        name: the same without user, password and what a query says.

    Raises:
        SinkError: it is none; its message shows the name alone.
    """
    scheme = url.partition("://")[0].lower()
    if scheme in ("http", "https"):
        raise SinkError(
            f"{name}: a stream is not served over {scheme}",
            hint="--web serves the picture there: other programs read /sources/0/stream.mjpg of its address",
        )
    if scheme not in SCHEMES:
        raise SinkError(f"a stream needs an address of {', '.join(SCHEMES)}, not {name!r}", hint=_EXAMPLE)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SinkError(f"{name} is no valid address", hint=_EXAMPLE) from None
    if not host or (port is None and scheme in _PORT_NEEDED):
        raise SinkError(f"{name}: a stream over {scheme} needs a host and a port", hint=_EXAMPLE)
    if scheme in ("rtmp", "rtmps"):
        name = re.sub(r"(://[^/]*/.*/)[^/]+$", r"\1***", name)  # the last part is the key that lets one publish
    if scheme == "udp" and "pkt_size=" not in parts.query:
        url += f"{'&' if parts.query else '?'}pkt_size=1316"  # whole packets of MPEG-TS, seven of them
    muxer, options = SCHEMES[scheme]
    return Address(url, name, muxer, options)


def why(error: str, number: int) -> tuple[str, str]:
    """What went wrong, behind the receiver's name, and what to do. FFmpeg's own text holds the address: not used.

    Args:
        error: name of the error's class.
        number: errno; 0: none.
    """
    if error == NO_PROTOCOL:
        return "cannot be reached: this FFmpeg was built without its protocol", "use another one, such as rtsp://"
    if error in _WHY:
        return _WHY[error]
    known = number > 0 and error != "ExitError"
    return f"cannot be reached: {os.strerror(number) if known else 'the connection broke'}", "check host and port"
