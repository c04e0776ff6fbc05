"""The configuration: frozen, strict, the same keys in YAML, in `--set a.b=c` and in Python."""

from __future__ import annotations

from typing import Literal

import msgspec

View = Literal["overlay", "side-by-side", "masks"]


class DecodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From a network's outputs to objects; the defaults are Ultralytics' predict."""

    conf: float = 0.25  # least score
    iou: float = 0.7  # boxes of one class that overlap more are one object
    max_det: int = 300  # most objects a frame
    agnostic: bool = False  # suppress across classes too
    classes: tuple[str, ...] = ()  # only these, by name; empty: all


class RenderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is drawn."""

    view: View = "overlay"
    alpha: float = 0.5  # weight of a class colour over the picture, 0..1
    outlines: bool = True
    boxes: bool = True
    names: bool = True
    scores: bool = True
    legend: bool = True
    status: bool = True  # the line with fps, frame age and drops
    blur: tuple[str, ...] = ()  # classes made unrecognisable
    cutout: tuple[str, ...] = ()  # classes kept; everything else becomes the ground
    ground: str = "white"  # behind a cut-out: a colour (white, black, green, #rrggbb) or transparent
