"""What describes a model: its card, its input, its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline.types.content import Classes


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

    def shape(self, size_hw: tuple[int, int], rows: int = 1) -> tuple[int, int, int, int]:
        """The shape of an input of that height and width, pixels, for so many frames."""
        height, width = size_hw
        return (rows, 3, height, width) if self.layout == "nchw" else (rows, height, width, 3)

    def size_of(self, shape: Sequence[int]) -> tuple[int, int]:
        """Height and width, pixels, of an input of that shape."""
        return (shape[2], shape[3]) if self.layout == "nchw" else (shape[1], shape[2])


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """A network's output as its file declares it; a free dimension is None, no dimension at all: none is stated."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    probability: bool = False  # of one channel: 0..1, so that a half is what 0 is of a logit


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
