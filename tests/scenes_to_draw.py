"""Scenes to draw, pictures drawn of them, and where these differ from their frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config import RenderConfig
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.render import Renderer
from pipeline.types import VOID, Classes, Frame, Instances, Labels, Picture, Scene

U8 = NDArray[np.uint8]
Box = tuple[int, int, int, int]
CLASSES = Classes(("person", "car", "truck"), ((220, 20, 60), (0, 0, 142), (250, 170, 30)))
CITY = Classes(("road", "car", "sky"), ((128, 64, 128), (0, 0, 142), (70, 130, 180)))
BARE: dict[str, Any] = {
    "outlines": False, "boxes": False, "names": False, "scores": False, "legend": False, "status": False
}  # fmt: skip
UNTOUCHED = BARE | {"alpha": 0.0}
SIZES = [(120, 160), (121, 161), (90, 161), (375, 1241)]


def street(height: int, width: int, seed: int = 0) -> U8:
    """Something with structure at every scale, (h, w, 3) BGR."""
    rng = np.random.default_rng(seed)
    out = np.zeros((height, width, 3))
    for cells in (4, 16, 64):
        part = rng.uniform(0, 255, (cells, cells, 3)).astype(np.float32)
        out += cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) / 3
    return np.asarray(np.clip(out + rng.normal(0, 12, out.shape), 0, 255), np.uint8)


def frozen(*planes: U8) -> tuple[U8, ...]:
    """Planes whose rows lie apart, as a decoder's do, and that nobody can write to."""
    apart = []
    for plane in planes:
        room = np.zeros((plane.shape[0], plane.shape[1] + 13), np.uint8)
        room[:, : plane.shape[1]] = plane
        room.flags.writeable = False
        apart.append(room[:, : plane.shape[1]])
    return tuple(apart)


def yuv(height: int, width: int, form: str = "yuv420p", seed: int = 0) -> Image:
    y, cr, cb = cv2.split(cv2.cvtColor(street(height, width, seed), cv2.COLOR_BGR2YCrCb))
    if form == "yuv420p":
        half = ((width + 1) // 2, (height + 1) // 2)
        cb, cr = (cv2.resize(c, half, interpolation=cv2.INTER_AREA) for c in (cb, cr))
    return Image(frozen(*(np.asarray(p, np.uint8) for p in (y, cb, cr))), form, "bt709", True)  # type: ignore[arg-type]


def frame(image: Image, pts: int = 0) -> Frame:
    return Frame(pts, pts, Fraction(1, 10), 0.0, image)


def ellipses(boxes: Sequence[Box], class_ids: Sequence[int] | None = None, fill: bool = False) -> Instances:
    arena, offset = [], [0]
    for x0, y0, x1, y1 in boxes:
        mask = np.full((y1 - y0, x1 - x0), 255 if fill else 0, np.uint8)
        if mask.size and not fill:
            centre = ((x1 - x0) // 2, (y1 - y0) // 2)
            cv2.ellipse(mask, centre, (max(0, centre[0] - 1), max(0, centre[1] - 1)), 0, 0, 360, 255, -1)
        arena.append(mask.ravel())
        offset.append(offset[-1] + mask.size)
    return Instances(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.95, 0.3, len(boxes), dtype=np.float32),
        np.array(class_ids if class_ids is not None else [i % 3 for i in range(len(boxes))], np.int32),
        np.array(boxes, np.int32).reshape(-1, 4),
        np.concatenate([*arena, np.empty(0, np.uint8)]),
        np.array(offset, np.int64),
        CLASSES,
    )


def some(height: int, width: int) -> Instances:
    """Objects at even and odd places, at the edges, overlapping and empty."""
    w, h = width, height
    boxes: list[Box] = [
        (0, 0, w // 3, h // 2), (w // 4 | 1, h // 4 | 1, w // 2, h // 2 + 5), (w // 2, h // 2, w, h),
        (w - 31, 3, w, 20), (w // 2 + 1, 7, w // 2 + 4, 30), (5, h - 20, 6, h - 19), (9, 9, 9, 30),
    ]  # fmt: skip
    return ellipses(boxes)


def stripes(height: int, width: int, void: bool = True) -> Labels:
    ids = ((np.arange(width) // 7 + np.arange(height)[:, None]) % (4 if void else 3)).astype(np.uint8)
    ids[ids == 3] = VOID
    return Labels(ids, CITY)


def render(scene: Scene, line: str | None = None, **config: Any) -> Picture:
    return Renderer(RenderConfig(**config), Pool).render(scene, line)


def planes_of(picture: Picture) -> tuple[U8, ...]:
    assert picture.image is not None
    return picture.image.planes


def changed(picture: Picture) -> NDArray[np.bool_]:
    """Where a picture differs from its frame, at luma size; planes of one format."""
    before, after = picture.scene.frame.image, picture.image
    assert after is not None
    assert before.format == after.format
    height, width = before.size_hw
    where = np.zeros((height, width), np.bool_)
    for old, new in zip(before.planes, after.planes, strict=True):
        differs = old != new
        if differs.shape != where.shape:
            differs = differs.repeat(2, 0).repeat(2, 1)[:height, :width]
        where |= differs
    return where


def spoil(buffer: U8) -> None:
    buffer.fill(0xAA)


def poisoned(make: Callable[[], U8]) -> Pool[U8]:
    return Pool(make, spoil)
