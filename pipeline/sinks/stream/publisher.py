"""Keeps a connection to a receiver and sends it the newest picture, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av

from pipeline.flow import Ledger
from pipeline.image import Image
from pipeline.sinks.codecs import VideoConfig, encoder_options
from pipeline.sinks.packets import PacketEncoder
from pipeline.sinks.stream.address import NO_PROTOCOL, Address, why
from pipeline.sinks.stream.link import Link, LinkError
from pipeline.sinks.stream.newest import Newest

KEY_S = Fraction(1)  # a picture that is decodable on its own at least so often: who comes later waits no longer
NEWS = 100  # of which nobody has heard yet
STEADY_S = 5.0  # a connection that lasted so long was a good one: the waits begin anew
CLOSE_S = 2.0  # so long at most the end of a run waits for a receiver to take what is under way


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture on its way."""

    frame: av.VideoFrame
    ticks: int
    duration: int


@dataclass(frozen=True, slots=True)
class Format:
    """What all pictures of a stream have in common."""

    first: Image  # decides the size and the colours
    video: VideoConfig
    clock: Fraction  # the length of a tick, seconds
    rate: Fraction | None  # frames a second as far as known


class Publisher:
    """A thread that connects, sends, and connects again for ever, with waits in between.

    Each connection has an encoder of its own, so that its first picture can be decoded.

    Args:
        address: of the receiver.
        what: is sent.
        timeout_s: to connect, and for a packet to be taken, seconds each.
        waits: gives the seconds before each further attempt, anew after a connection that lasted.

    Attributes:
        sent: pictures that were handed over.
        lost: those that were not, by cause: `slow` (a newer one came first), `away` (there was no connection).
        connections: that were made.
        news: for people, not yet told.
        refusal: why it is no use to go on, and what to do; None: it goes on.
        first_failure: the same for the first attempt, after which it does go on.
        defect: what ended the thread, and should not have.
    """

    def __init__(
        self, address: Address, what: Format, timeout_s: float, waits: Callable[[], Iterator[float]]
    ) -> None:
        self._address, self._what, self._timeout_s, self._waits = address, what, timeout_s, waits
        self.sent = self.connections = 0
        self.lost = Ledger()
        self.news: deque[str] = deque(maxlen=NEWS)
        self.refusal: tuple[str, str] | None = None
        self.first_failure: tuple[str, str] | None = None
        self.defect: BaseException | None = None
        self._tried, self._closing, self._connected = threading.Event(), threading.Event(), False
        self._newest: Newest[Shown] = Newest()
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._busy_s: float | None = None  # since when a picture is being sent
        self._opened_s = 0.0
        self._away_s: float | None = None  # since when there is no connection that there was, or should be
        self._thread = threading.Thread(target=self._run, name="stream-send", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether pictures are wanted."""
        return self._connected

    def wait_for_first(self) -> None:
        """Until the first attempt to connect has succeeded or failed, which it has after `timeout_s`."""
        self._tried.wait()

    def put(self, shown: Shown) -> None:
        """Send this next; never waits."""
        if self._newest.put(shown):
            self.lost.drop("slow")

    def close(self) -> None:
        """Send what waits, where there is a connection, and join the thread.

        A receiver gets CLOSE_S (or `timeout_s`, where that is less) for it, counted from when it was handed the
        picture that it has not taken yet: several that hang do not add up.
        """
        self._closing.set()
        self._newest.end()
        if not self._connected:
            self._kill()
        now_s, busy_s = time.monotonic(), self._busy_s
        until_s = (now_s if busy_s is None else busy_s) + min(CLOSE_S, self._timeout_s)
        self._thread.join(max(0.0, until_s - now_s))
        if self._thread.is_alive():
            self._kill()
            self._thread.join()
        self._forget()

    def _forget(self) -> None:
        if self._newest.clear():
            self.lost.drop("away")

    def _kill(self) -> None:
        with self._lock:
            if self._link is not None:
                self._link.kill()

    # What follows runs in the thread.

    def _run(self) -> None:
        try:
            self._connect_for_ever()
        except BaseException as error:  # raised by whoever writes next
            self.defect = error
        finally:
            self._connected = False
            self._tried.set()

    def _connect_for_ever(self) -> None:
        waits = self._waits()
        while not self._closing.is_set():
            try:
                with self._start() as link:
                    link.open()
                    self._send(link)
                    return
            except LinkError as error:
                if self._connected and time.monotonic() - self._opened_s > STEADY_S:
                    waits = self._waits()
                self._failed(error)
            finally:
                with self._lock:
                    self._link = None
            if self.refusal is not None or self._closing.wait(next(waits)):
                return

    def _start(self) -> Link:
        with self._lock:
            self._link = Link(self._asked(), self._timeout_s)
            if self._closing.is_set():
                self._link.kill()
            return self._link

    def _send(self, link: Link) -> None:
        """Until there are no more pictures."""
        what = self._what
        encoder = PacketEncoder(what.video.codec, what.video, what.first, what.clock, what.rate)
        self._opened()
        key_ticks: int | None = None
        while (shown := self._newest.take()) is not None:
            self._busy_s = time.monotonic()
            try:
                key = key_ticks is None or shown.ticks >= key_ticks
                for packet in encoder.encode_frame(shown.frame, shown.ticks, key):
                    link.send(packet, shown.duration)
            except LinkError:
                self.lost.drop("away")
                raise
            if key:
                key_ticks = shown.ticks + round(KEY_S / what.clock)
            self._busy_s = None
            self.sent += 1

    def _opened(self) -> None:
        if self._away_s is not None:
            away_s = time.monotonic() - self._away_s
            self.news.append(f"{self._address.name} takes the pictures again after {away_s:.1f} s")
            self._away_s = None
        self._forget()  # one that came when the connection broke is old by now
        self.connections += 1
        self._connected, self._opened_s = True, time.monotonic()
        self._tried.set()

    def _failed(self, error: LinkError) -> None:
        self._connected, self._busy_s = False, None
        self._forget()
        reason, hint = why(error.error, error.number)
        if error.error == "TimeoutError":
            reason, hint = f"does not answer within {self._timeout_s:g} s", "is it on, and is it quick enough?"
        if error.error == NO_PROTOCOL:
            self.refusal = reason, hint
        if self.connections == 0 and self.first_failure is None:
            self.first_failure = reason, hint
        if self._away_s is None and not self._closing.is_set():
            self._away_s = time.monotonic()
            self.news.append(f"{self._address.name} {reason}; it is tried again and again")
        self._tried.set()

    def _asked(self) -> dict[str, object]:
        what, address = self._what, self._address
        rate = what.rate or Fraction(25)
        return {
            "url": address.url,
            "muxer": address.muxer,
            "options": dict(address.options),
            "codec": what.video.codec,
            "codec_options": encoder_options(what.video, what.video.codec),
            "size_hw": what.first.size_hw,
            "matrix": what.first.matrix,
            "full_range": what.first.full_range,
            "clock": what.clock.as_integer_ratio(),
            "rate": rate.as_integer_ratio(),
        }
