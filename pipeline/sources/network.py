"""Network streams, with deadlines, and without a password in any message."""

from __future__ import annotations

import errno
import os
import re
import socket
import time
from fractions import Fraction
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from pipeline.errors import RefusedError, SourceError
from pipeline.sources import SourceOptions
from pipeline.sources.container import ContainerSource, Request
from pipeline.sources.deadline import within

# FFmpeg's `nobuffer` is left out: it throws away what was read to find out the codec, the first key frame among
# it, and wins nothing, since the frames that waited are decoded at once and only the newest is kept.
ANALYSE = {"analyzeduration": "500000"}  # microseconds; else it looks on for up to 5 s
RTSP = {**ANALYSE, "rtsp_transport": "tcp", "allowed_media_types": "video"}  # over UDP pictures lose parts
SCHEMES: dict[str, dict[str, str]] = {
    "rtsp": RTSP,
    "rtsps": RTSP,
    "http": ANALYSE,
    "https": ANALYSE,
    "udp": {**ANALYSE, "overrun_nonfatal": "1"},
    "tcp": ANALYSE,
    "rtmp": ANALYSE,
    "rtmps": ANALYSE,
    "srt": ANALYSE,
}
RECORDED_SUFFIXES = frozenset((".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"))
SHORT_S = 2.0  # a recording that ends so much before its length was cut off
SECRET = re.compile(r"((?:pass\w*|pwd|token|key|auth|secret|sig\w*|user\w*)=)[^&;/?#]*", re.IGNORECASE)
REFUSALS = (av.error.HTTPClientError, av.error.ProtocolNotFoundError)  # 4xx: asking again changes nothing
HIDDEN = r"\1***"


class Network(ContainerSource):
    """A stream from the network: rtsp, rtsps, http, https, udp, tcp, rtmp, rtmps, srt.

    Live, but for a recording over HTTP (its path ends in .mp4 or the like). A stream that stops, or ends
    before the length it states, raises SourceError. JPEG over HTTP has no timestamps: its frames are
    timed by their arrival. What comes in pieces of some seconds (HLS) is handed on picture by picture.

    Args:
        spec: address; what may be secret in it is shown to nobody.
        options: open_timeout_s holds for finding the host, for connecting and for recognising the stream.
    """

    def __init__(self, spec: str, options: SourceOptions) -> None:
        self._spec = spec
        self._scheme = spec.partition("://")[0].lower()
        path = PurePosixPath(re.split(r"[?#]", spec)[0])
        self._asked_s = 0.0  # when FFmpeg was asked to open it, time.monotonic()
        self.live = not (self._scheme in ("http", "https") and path.suffix.lower() in RECORDED_SUFFIXES)
        timeout_s = (options.open_timeout_s, options.read_timeout_s)
        request = Request(spec, options=SCHEMES.get(self._scheme, {}), timeout_s=timeout_s)
        super().__init__(masked(spec), request, options)

    def _check(self) -> None:
        if self._scheme not in SCHEMES:
            known = ", ".join(SCHEMES)
            raise RefusedError(f"{self._name}: {self._scheme}:// is no way to get video", hint=f"known: {known}")
        try:
            host = urlsplit(self._spec).hostname
        except ValueError:
            raise RefusedError(f"{self._name} is no valid address", hint="as in rtsp://host:554/path") from None
        if not host or (self._scheme in ("http", "https") and _has_proxy()):
            return  # listens only, or leaves the name to the proxy
        try:
            within(self._options.open_timeout_s, lambda: socket.getaddrinfo(host, None))
        except TimeoutError:
            raise SourceError(f"{self._name}: the name service does not answer", hint="is the network up?") from None
        except (OSError, UnicodeError) as error:
            away = getattr(error, "errno", None) == socket.EAI_AGAIN  # the network is down, or starts only now
            kind = SourceError if away else RefusedError
            raise kind(f"{self._name}: there is no host {host}", hint="check the address") from None

    def _open(self) -> InputContainer:
        self._asked_s = time.monotonic()
        return super()._open()

    def _not_opened(self, error: Exception) -> SourceError:
        why, hint = _why(error)
        # a server of RTSP that takes the connection and says nothing is, to FFmpeg, one that sends nonsense
        late = time.monotonic() - self._asked_s >= self._options.open_timeout_s
        if late or isinstance(error, av.error.ExitError | TimeoutError):
            why, hint = (
                f"gave no video within {self._options.open_timeout_s:g} s",
                "is it on, and is this its address?",
            )
        if isinstance(error, av.error.HTTPUnauthorizedError):
            why = (
                "refuses the user name or the password"
                if "***@" in self._name
                else "asks for a user name and a password"
            )
            hint = "as in rtsp://user:password@host/path; write @ as %40"
        if isinstance(error, av.error.ProtocolNotFoundError):
            why, hint = f"cannot be read: this FFmpeg was built without {self._scheme}", "use another protocol"
        return (RefusedError if isinstance(error, REFUSALS) else SourceError)(f"{self._name} {why}", hint=hint)

    def _lost(
        self, failure: Exception | None, last_s: Fraction | None, length_s: Fraction | None
    ) -> SourceError | None:
        if failure is None:
            if length_s is None and not self.live:
                return None
            if length_s is not None and last_s is not None and last_s + SHORT_S >= length_s:
                return None
            why = "the other side ended it"
        elif isinstance(failure, av.error.ExitError):
            why = f"nothing came for {self._options.read_timeout_s:g} s"
        elif isinstance(failure, TimeoutError):
            why = "data come, but no picture that can be decoded"
        else:
            why = _why(failure)[0]
        when = "before its first picture" if last_s is None else f"after {float(last_s):.1f} s"
        kind = RefusedError if isinstance(failure, REFUSALS) else SourceError
        return kind(f"{self._name} was lost {when}: {why}", hint="is it still on the network?")


def masked(address: str) -> str:
    """An address without what may be secret in it.

    `user:password@` becomes `***@`, every value of the query `***`, and so does what follows `password=`
    and the like in the path, where some cameras want it. A password that holds a `/` or `?` of its own
    is covered too, at the price of hiding more.
    """
    scheme, _, rest = address.partition("://")
    host, path = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "@" in host:
        host = "***@" + host.rpartition("@")[2]
    elif ":" in host and "@" in path:  # rtsp://user:pass/word@host
        return masked(f"{scheme}://***@{path.rpartition('@')[2]}")
    path, mark, query = path.partition("?")
    query = "&".join(
        f"{key}=***" if equals else "***" for key, equals, _ in (p.partition("=") for p in query.split("&"))
    )
    return f"{scheme}://{host}{SECRET.sub(HIDDEN, path)}{mark}{query if mark else ''}"


def _why(error: Exception) -> tuple[str, str]:
    """What went wrong, and what to do. FFmpeg's own text is not used: it holds the address."""
    for kind, why, hint in (
        (av.error.ConnectionRefusedError, "refuses the connection: nothing listens there", "check host and port"),
        (av.error.HTTPUnauthorizedError, "refuses the user name or the password", "check them"),
        (av.error.HTTPForbiddenError, "forbids it (403)", "check the rights of this user"),
        (av.error.HTTPNotFoundError, "has nothing at this path (404)", "check the path"),
        (av.error.HTTPError, "answers with an error of its own (5xx)", "look at the server"),
        (av.error.HTTPClientError, "does not accept the request (4xx)", "check the address"),
        (av.error.InvalidDataError, "sends something that is not video, or damaged", "check the path"),
    ):
        if isinstance(error, kind):
            return why, hint
    number = getattr(error, "errno", None) or 0
    if number == errno.EIO:
        return "breaks off, or sends something that is not video", "check the path"
    reason = os.strerror(number) if number in errno.errorcode else "the connection broke"
    return f"cannot be read: {reason}", "check the address"


def _has_proxy() -> bool:
    from urllib.request import getproxies  # 30 ms, which a run of a file should not wait for

    return bool(getproxies())
