"""What passes between the stages: a frame on its way, and the ends of the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.regional import Output
from pipeline.types.content import Instances, Labels, Truth


class Lease(Protocol):
    """A buffer borrowed from a pool; giving it back twice is the same as once."""

    def release(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a live source gave nothing, because it was away."""

    from_pts_s: float  # presentation time of the last frame before it, seconds
    seconds: float  # from the capture of that frame to that of the next one
    reason: str  # one sentence, without a password


@dataclass(slots=True)
class Stamps:
    """When each stage worked on a frame: stage -> (began, ended), time.monotonic() seconds.

    The one thing about a frame that grows on its way. Whoever holds the frame writes.
    """

    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    device: dict[str, tuple[float, float]] = field(default_factory=dict)  # the same for what a GPU did, by its name


class Motion(Protocol):
    """How a picture moved since the one before it in its film."""

    def back(self, size_hw: tuple[int, int]) -> NDArray[np.float32]:
        """Where each pixel of the frame, at that size, was in the one before, (h, w, 2): x and y, its pixels."""
        ...

    @property
    def followed(self) -> NDArray[np.uint8]:
        """(h, w) of the frame, 255 where a pixel can be followed, else 0."""
        ...

    def after(self, earlier: Self) -> Self:
        """Both in one; `earlier` ends at the frame where this one begins."""
        ...


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source."""

    index: int  # counts the source's frames from 0: a gap downstream is a drop or a frame not asked for
    pts: int  # presentation time in the source, in units of time_base
    time_base: Fraction  # seconds
    captured_s: float  # time.monotonic() when it was taken where the stream says so, else when it came in; seconds
    image: Image
    truth: Truth | None = None
    stamps: Stamps = field(default_factory=Stamps, compare=False)
    name: str = ""  # of the image, below the folder of all of them; "": it is none of several images
    source: int = 0  # which source of the run it is from, counted from 0
    gaps: int = 0  # how often its source had been away by then
    carried: int = 0  # frames since the networks last looked; 0: they look at this one
    motion: Motion | None = field(default=None, compare=False)  # where it was computed; gone once nobody needs it

    @property
    def pts_s(self) -> float:
        """Presentation time in the source, seconds."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source says of itself once it is open."""

    name: str  # for people; never holds a password
    size_hw: tuple[int, int] | None = None  # of the first frame, as shown (rotation applied)
    fps: float | None = None  # nominal or average; None if unknown
    frames: int | None = None  # how many will come, as far as known; for a progress bar, not a promise
    live: bool = False
    codec: str = ""
    pixel_aspect: Fraction = Fraction(1)  # a pixel's width over its height, as shown: not 1 in anamorphic footage
    colours: tuple[int, int] = (2, 2)  # primaries and transfer, as ITU-T H.273 numbers them; 2: not stated


@dataclass(frozen=True, slots=True)
class Prepared:
    """A frame as one network wants it."""

    frame: Frame
    tensor: NDArray[Any]  # (1, 3, h, w) or (1, h, w, 3), as the card's InputSpec says
    letterbox: Letterbox
    lease: Lease | None = None  # of the tensor's buffer: who lets go of the message releases it
    rung: str = ""  # which way to run the network, where there are several


@dataclass(frozen=True, slots=True)
class Inferred:
    """What a network said of one frame: its outputs in the card's order, each (1, ...)."""

    prepared: Prepared
    outputs: tuple[Output, ...]

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The outputs, each computed as a whole."""
        return tuple(one if isinstance(one, np.ndarray) else one.whole() for one in self.outputs)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a network that takes frames itself said of one, in source pixels. Owns its arrays."""

    frame: Frame
    found: Instances | Labels


@dataclass(frozen=True, slots=True)
class Scene:
    """What is where on the road in one frame, in source pixels. Owns its arrays."""

    frame: Frame
    instances: Instances | None = None
    labels: Labels | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)  # lost so far by cause; `stream:..`: not sent live
    gaps: tuple[Gap, ...] = ()  # since the scene before: times in which the source was away
    rung: str = ""  # how the networks ran, where that may change in a run


@dataclass(frozen=True, slots=True)
class Picture:
    """A scene as drawn."""

    scene: Scene
    image: Image | None  # None where nobody asked for a picture
    lease: Lease | None = None  # of the image's planes


class Source(Protocol):
    """Where frames come from. Opened, read and closed by one thread."""

    live: bool  # known before it is opened: live sources keep the newest frame

    @property
    def info(self) -> SourceInfo:
        """What is known so far; complete once the first frame has come."""
        ...

    def __enter__(self) -> Iterator[Frame]:
        """Open; SourceError where that is not possible. Iterating gives the frames."""
        ...

    def __exit__(self, *error: object) -> None: ...


class Sink(Protocol):
    """Where pictures and scenes go. Opened at the first picture, in the thread that writes."""

    def write(self, picture: Picture) -> None:
        """Take one; SinkError where that is not possible."""
        ...

    def close(self, whole: bool) -> None:
        """Finish. After an error `whole` is False: what is there is kept, playable, under a name saying so."""
        ...
