"""Scalabel's JSON: frames with labels, whose masks are polygons or run lengths.

A file holds `frames` and a `config` with the categories, or only the frames; a folder of files is read as one.
`box2d` is inclusive. Attributes `crowd` and `ignored` count. https://doc.scalabel.com/format.html;
scalabel/label/typing.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pipeline.datasets.bdd100k_labels import IGNORED_AS, RENAMED
from pipeline.datasets.json_file import parsed, read_json
from pipeline.datasets.listing import files
from pipeline.datasets.objects import Marked, Segment, segments, true_objects
from pipeline.datasets.scalabel_polygons import Outline, draw
from pipeline.errors import DataError
from pipeline.rle import decode_crop
from pipeline.types import Classes, TrueObjects

_WHAT = "Scalabel's frames with labels"
NO_MASK = Segment(0, np.zeros((0, 0), np.uint8), (0, 0, 0, 0))


class _Category(msgspec.Struct, frozen=True):
    name: str
    subcategories: list[_Category] | None = None


class _Size(msgspec.Struct, frozen=True):
    width: int
    height: int


class _Config(msgspec.Struct, frozen=True):
    categories: list[_Category] = []
    imageSize: _Size | None = None  # noqa: N815 - as the file has it


class ScalabelFrame(msgspec.Struct, frozen=True):
    """An image, its labels not yet decoded."""

    name: str
    videoName: str | None = None  # noqa: N815 - as the file has it
    size: _Size | None = None
    labels: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def key(self) -> str:
        """`film/name`, or the name alone."""
        return f"{self.videoName}/{self.name}" if self.videoName else self.name


class ScalabelFile(msgspec.Struct, frozen=True):
    """A whole file."""

    frames: list[ScalabelFrame]
    config: _Config | None = None


class _Poly2d(msgspec.Struct, frozen=True):
    vertices: list[tuple[float, float]]
    types: str = ""
    closed: bool = True


class _Rle(msgspec.Struct, frozen=True):
    counts: str
    size: tuple[int, int]


class _Box2d(msgspec.Struct, frozen=True):
    x1: float
    y1: float
    x2: float
    y2: float


class ScalabelLabel(msgspec.Struct, frozen=True):
    """An object."""

    id: str | int
    category: str | None = None
    attributes: dict[str, Any] | None = None
    poly2d: list[_Poly2d] | None = None
    rle: _Rle | None = None
    box2d: _Box2d | None = None
    score: float | None = None


class ScalabelLabels:
    """Reads the labels of frames. Labels without a mask are left aside.

    Args:
        classes: that they may have.
        bdd: names are those of BDD100K, some of which are other names for the same, or for what is not scored.
        masks_only: leave labels aside that have a box alone.
    """

    def __init__(self, classes: Classes, bdd: bool = False, masks_only: bool = True) -> None:
        self._classes, self._bdd, self._masks_only = classes, bdd, masks_only
        self._class_of = {name: class_id for class_id, name in enumerate(classes.names)}

    def objects(self, frame: ScalabelFrame, size: tuple[int, int], where: str) -> TrueObjects:
        """The objects of a frame of that height and width.

        Raises:
            DataError: begins with `where`: an unknown category, a broken mask; polygons, and no matplotlib to draw
                them with.
        """
        return true_objects([one for _, one in self.marked(frame, size, where)], self._classes)

    def marked(
        self, frame: ScalabelFrame, size: tuple[int, int], where: str
    ) -> Iterator[tuple[ScalabelLabel, Marked]]:
        """The labels that are objects, and what they mark; DataError as for `objects`."""
        labels = frame_labels(frame, where)
        masked = [label for label in labels if label.poly2d or label.rle]
        drawn = drawn_polygons(masked, size, where)
        for place, label in enumerate(masked, 1):
            one = self._marked(label, drawn.get(place), size, where)
            if one is not None:
                yield label, one
        for label in () if self._masks_only else labels:
            if label.box2d is not None and not (label.poly2d or label.rle):
                one = self._marked(label, NO_MASK, size, where)
                if one is not None:
                    yield label, one

    def _marked(
        self, label: ScalabelLabel, segment: Segment | None, size: tuple[int, int], where: str
    ) -> Marked | None:
        name, attributes = label.category or "", dict(label.attributes or {})
        if self._bdd:
            name = RENAMED.get(name, name)
            if name in IGNORED_AS:
                name, attributes["ignored"] = IGNORED_AS[name], True
        if name not in self._class_of:
            raise DataError(
                f"{where}: label {label.id} is of an unknown category {label.category!r}",
                hint=f"they are {', '.join(list(self._class_of)[:12])}",
            )
        if label.rle is not None:
            if label.rle.size != size:
                raise DataError(
                    f"{where}: label {label.id}: run lengths of another size", hint="height first, then width"
                )
            try:
                mask, crop = decode_crop(label.rle.counts, size)
            except ValueError as error:
                raise DataError(f"{where}: label {label.id}: {error}", hint="write the run lengths again") from error
        elif segment is None:
            return None  # all of it is covered by later ones
        else:
            mask, crop = segment.mask, segment.crop_px
        box = label.box2d
        edges = None if box is None else (box.x1, box.y1, box.x2 + 1, box.y2 + 1)
        sides = None if box is None else (box.x2 - box.x1 + 1, box.y2 - box.y1 + 1)
        crowd, ignored = bool(attributes.get("crowd", False)), bool(attributes.get("ignored", False))
        class_id, number = self._class_of[name], _number(label.id)
        return Marked(class_id, mask, crop, number, crowd, ignored, box_xyxy=edges, sides_px=sides)


def frame_labels(frame: ScalabelFrame, where: str) -> list[ScalabelLabel]:
    """All labels of a frame; DataError, beginning with `where`, where they are something else."""
    return parsed(frame.labels, list[ScalabelLabel] | None, where, _WHAT) or []  # type: ignore[arg-type]


def drawn_polygons(masked: Sequence[ScalabelLabel], size: tuple[int, int], where: str) -> dict[int, Segment]:
    """Polygons by the place of their label, from 1."""
    if all(label.rle for label in masked):
        return {}
    outlines = [[Outline(p.vertices, p.types, p.closed) for p in label.poly2d or []] for label in masked]
    for label, parts in zip(masked, outlines, strict=True):
        if any(
            not part.vertices or len(part.types) != len(part.vertices) or set(part.types) - {"L", "C"}
            for part in parts
        ):
            raise DataError(
                f"{where}: label {label.id}: vertices and types do not fit", hint="a letter L or C for each"
            )
    return {segment.number: segment for segment in segments(draw(outlines, size))}


def read_files(source: Path) -> Iterator[tuple[Path, ScalabelFile]]:
    """A file, or those of a folder; DataError where there is none, or something else in it."""
    paths = [*files(source, (".json",)).values()] if source.is_dir() else [source]
    if not paths:
        raise DataError(f"{source} has no JSON files", hint=f"it should hold {_WHAT}")
    for path in paths:
        what = read_json(path, ScalabelFile | list[ScalabelFrame], _WHAT)  # type: ignore[arg-type]
        yield path, what if isinstance(what, ScalabelFile) else ScalabelFile(what)


def leaves(read: Sequence[tuple[Path, ScalabelFile]]) -> tuple[str, ...]:
    """The names of the categories that have none below them; empty where no file lists any."""

    def walk(categories: Sequence[_Category]) -> Iterator[str]:
        for category in categories:
            if category.subcategories is None:
                yield category.name
            else:
                yield from walk(category.subcategories)

    for _, what in read:
        if what.config is not None and what.config.categories:
            return tuple(walk(what.config.categories))
    return ()


def _number(name: str | int) -> int:
    """A label's id as a number: itself, or one made of its letters, the same in every frame."""
    if isinstance(name, int) or name.lstrip("-").isdecimal():
        return int(name)
    return int.from_bytes(blake2b(name.encode(), digest_size=7).digest(), "big")
