"""What passes between the stages, and what describes a model. Standard library and NumPy only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.regional import Output

VOID = 255  # a pixel without a class, in every label map


class Lease(Protocol):
    """A buffer borrowed from a pool; giving it back twice is the same as once."""

    def release(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of a model or a data set: index i has names[i] and colours[i] (R, G, B)."""

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Instances:
    """The objects of one frame, in source pixels, best score first.

    Masks are kept as crops in one packed arena: mask i covers the pixels
    [y0, y1) x [x0, x1) of crops_px[i] = (x0, y0, x1, y1) and is 255 inside, 0 outside.
    """

    boxes_xyxy: NDArray[np.floating]  # (n, 4) source pixels, float32 (from files float64); edges: width = x1 - x0
    scores: NDArray[np.floating]  # (n,) 0..1, float32 (from files float64)
    class_ids: NDArray[np.int32]  # (n,) into classes
    crops_px: NDArray[np.int32]  # (n, 4) x0, y0, x1, y1, inside the frame; may be empty
    arena: NDArray[np.uint8]  # (offset[-1],) all masks, row-major, one behind the other
    offset: NDArray[np.int64]  # (n + 1,) where each mask begins in the arena
    classes: Classes
    track_ids: NDArray[np.int64] | None = None  # (n,) the same object's over time, from 1 on; 0: none yet

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, chosen: NDArray[np.intp]) -> Instances:
        """The objects with these numbers, in this order; new arrays."""
        parts = [self.arena[self.offset[i] : self.offset[i + 1]] for i in chosen.tolist()]
        return replace(
            self,
            boxes_xyxy=self.boxes_xyxy[chosen],
            scores=self.scores[chosen],
            class_ids=self.class_ids[chosen],
            crops_px=self.crops_px[chosen],
            arena=np.concatenate([np.zeros(0, np.uint8), *parts]),
            offset=np.cumsum([0, *map(len, parts)], dtype=np.int64),
            track_ids=None if self.track_ids is None else self.track_ids[chosen],
        )

    def mask(self, index: int) -> NDArray[np.uint8]:
        """Mask of one object inside its crop, (y1 - y0, x1 - x0), 0 or 255; a view."""
        x0, y0, x1, y1 = self.crops_px[index].tolist()
        return self.arena[self.offset[index] : self.offset[index + 1]].reshape(y1 - y0, x1 - x0)

    def full_mask(self, index: int, frame_hw: tuple[int, int]) -> NDArray[np.bool_]:
        """Mask of one object at frame size, (h, w) bool; new memory."""
        whole = np.zeros(frame_hw, np.bool_)
        x0, y0, x1, y1 = self.crops_px[index].tolist()
        whole[y0:y1, x0:x1] = self.mask(index) != 0
        return whole


@dataclass(frozen=True, slots=True)
class Labels:
    """What every pixel is: (h, w) uint8 in source pixels, into classes; VOID where nothing is said."""

    map: NDArray[np.uint8]
    classes: Classes


@dataclass(frozen=True, slots=True)
class TrueObjects:
    """The objects that a data set marks in one image, in the order of its file."""

    instances: Instances  # scores 1, in the file's order
    crowd: NDArray[np.bool_]  # (n,) a group that was not told apart
    ignore: NDArray[np.bool_]  # (n,) neither found nor missed: not scored either way
    area_px: NDArray[np.float64]  # (n,) as the data set counts it
    ids: NDArray[np.int64]  # (n,) as the data set numbers its objects; over time too, where it follows them

    def __len__(self) -> int:
        return len(self.instances)


@dataclass(frozen=True, slots=True)
class Panoptic:
    """One segment for every pixel: things one by one, and what cannot be counted as one segment a class."""

    segments: NDArray[np.int32]  # (h, w) numbers of segments from 1; 0 where nothing is said
    class_ids: NDArray[np.int32]  # (n,) of segment number i + 1, into classes
    crowd: NDArray[np.bool_]  # (n,) a group that was not told apart; in truth only
    classes: Classes

    def __len__(self) -> int:
        return len(self.class_ids)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is really there, for frames that are drawn or labelled."""

    labels: Labels | None = None
    instances: Instances | None = None
    objects: TrueObjects | None = None  # of a data set
    name: str = ""  # of the image in its data set
    image_id: int | str | None = None  # as the data set numbers its images, where it does


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
    source: int = 0  # which source of the run it is from, counted from 0

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


@dataclass(frozen=True, slots=True)
class InputSpec:
    """How a network wants its input: x = (pixel * scale - mean) / std, channels in the order of `colour`."""

    name: str
    size_hw: tuple[int | None, int | None] = (None, None)  # None: free, a multiple of stride
    stride: int = 32
    long_side: int = 640  # of the input where it is free
    layout: Literal["nchw", "nhwc"] = "nchw"
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    colour: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fit: Literal["letterbox", "stretch"] = "letterbox"
    pad: int = 114  # pixel value of the padding, 0..255, before scale, mean and std


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """A network's output as its file declares it; a free dimension is None."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Card:
    """What a model is: read from the YAML beside its file or from the file's own metadata."""

    name: str
    path: Path
    family: str  # a key of pipeline.postprocess.FAMILIES
    classes: Classes
    input: InputSpec
    outputs: tuple[OutputSpec, ...]
    sha256: str
    licence: str = "not stated"
    details: Mapping[str, Any] = field(default_factory=dict)  # what else the card says, as it says it


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
