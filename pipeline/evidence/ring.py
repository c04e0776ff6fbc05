"""The last seconds of a run in little memory: encoded pictures and lines of records."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.sinks.packets import Packet
from pipeline.types import Frame


@dataclass(frozen=True, slots=True)
class Moment:
    """What is kept of one frame besides its picture."""

    ticks: int  # when it is shown, in the video's clock
    clock_s: float  # seconds, of whatever clock the ring is kept by
    line: bytes  # its record
    frame: Frame  # without its picture
    done_s: float  # time.monotonic()
    dropped: Mapping[str, int]


@dataclass(slots=True)
class Stretch:
    """Frames from one that is decodable on its own up to the next such one."""

    ticks: int
    clock_s: float
    moments: list[Moment] = field(default_factory=list)
    packets: list[Packet] = field(default_factory=list)
    size: int = 0  # bytes


class Ring:
    """Keeps whole stretches that reach back `keep_s` seconds; the oldest go first.

    Args:
        keep_s: how far back.
        most_bytes: where that takes more memory, it reaches back less far, but always one stretch.
    """

    def __init__(self, keep_s: float, most_bytes: int) -> None:
        self._keep_s, self._most_bytes = keep_s, most_bytes
        self.stretches: deque[Stretch] = deque()
        self.size = 0  # bytes
        self.short = False  # whether memory did not suffice for keep_s at some time

    @property
    def last(self) -> Moment | None:
        """That of the newest frame; None: there is none yet."""
        return next((stretch.moments[-1] for stretch in reversed(self.stretches) if stretch.moments), None)

    def begin(self, ticks: int, clock_s: float) -> None:
        """A frame comes that is decodable on its own."""
        self.stretches.append(Stretch(ticks, clock_s))

    def add(self, moment: Moment, packets: list[Packet]) -> None:
        """Take a frame, and the pictures that are ready: those of frames before it, too, where the encoder waits."""
        last = self.stretches[-1]
        last.moments.append(moment)
        self._count(last, len(moment.line))
        for packet in packets:
            home = next((one for one in reversed(self.stretches) if one.ticks <= packet.ticks), last)
            home.packets.append(packet)
            self._count(home, len(packet.data))
        while len(self.stretches) > 1:
            old = self.stretches[1].clock_s <= moment.clock_s - self._keep_s
            full = self.size > self._most_bytes
            self.short |= full and not old
            if not old and not full:
                return
            self.size -= self.stretches.popleft().size

    def _count(self, stretch: Stretch, size: int) -> None:
        stretch.size += size
        self.size += size
