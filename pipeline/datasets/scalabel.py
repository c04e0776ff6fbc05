"""Scalabel's JSON, and BDD100K's polygons and run lengths that are stored in it.

A file holds `frames` and a `config` with the categories, or only the frames; a folder of files is read as one.
Masks are polygons (`poly2d`) or run lengths (`rle`); `box2d` is inclusive. Attributes `crowd` and `ignored` count.
BDD100K, with the option task: `{root}/labels/{task}/{polygons,rles}/{task}_{split}.json`, for seg_track
`{root}/labels/seg_track_20/{polygons,rles}/{split}/*.json`; other names of things are mapped as bdd100k's
configs/*.toml do. https://doc.scalabel.com/format.html; scalabel/label/typing.py, bdd100k/label/to_scalabel.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import msgspec

from pipeline.classes import colours_for
from pipeline.datasets.base import LeftOut, Sample
from pipeline.datasets.bdd100k_labels import IGNORED_AS, RENAMED, THING_NAMES
from pipeline.datasets.decoding import read_image, size_hw
from pipeline.datasets.json_file import parsed, read_json
from pipeline.datasets.objects import NO_CLASSES, Marked, Segment, nothing_said, segments, true_objects
from pipeline.datasets.scalabel_polygons import Outline, draw
from pipeline.errors import DataError
from pipeline.rle import decode_crop
from pipeline.types import Classes

Task = Literal["", "ins_seg", "seg_track"]
Kind = Literal["polygons", "rles"]
_WHAT = "Scalabel's frames with labels"
_IMAGES = {"ins_seg": "images/10k/{split}", "seg_track": "images/seg_track_20/{split}"}


class _Category(msgspec.Struct, frozen=True):
    name: str
    subcategories: list[_Category] | None = None


class _Config(msgspec.Struct, frozen=True):
    categories: list[_Category] = []


class _Size(msgspec.Struct, frozen=True):
    width: int
    height: int


class _Frame(msgspec.Struct, frozen=True):
    name: str
    videoName: str | None = None  # noqa: N815 - as the file has it
    size: _Size | None = None
    labels: msgspec.Raw = msgspec.Raw(b"null")


class _File(msgspec.Struct, frozen=True):
    frames: list[_Frame]
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


class _Label(msgspec.Struct, frozen=True):
    id: str | int
    category: str | None = None
    attributes: dict[str, Any] | None = None
    poly2d: list[_Poly2d] | None = None
    rle: _Rle | None = None
    box2d: _Box2d | None = None


class Scalabel:
    """Frames with objects; there are no label maps. Labels without a mask are left aside.

    Args:
        root: what the other paths are in.
        split: replaces `{split}` in them.
        strict: see open_dataset.
        task: of BDD100K: ins_seg or seg_track; else say where the files are:
        labels: a JSON or a folder of them, in root.
        images: the folder of the images, in root; films are folders in it.
        kind: of BDD100K's files: polygons or rles.
        classes: names, instead of those of the files' config.
        terms: what the data may be used for.

    Raises:
        DataError: see open_dataset; an unknown category; polygons, and no matplotlib to draw them with.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        strict: bool = True,
        task: Task = "",
        labels: str = "",
        images: str = "",
        kind: Kind = "polygons",
        classes: Sequence[str] = (),
        terms: str = "as its owner says",
    ) -> None:
        self.name, self.terms, self.classes = "scalabel", terms, NO_CLASSES
        if task not in ("", *_IMAGES) or kind not in ("polygons", "rles"):
            raise DataError(
                f"scalabel has no task {task!r} of kind {kind!r}", hint="ins_seg, seg_track; polygons, rles"
            )
        if task:
            last = f"{split}" if task == "seg_track" else f"ins_seg_{split}.json"
            labels = labels or f"labels/{'seg_track_20' if task == 'seg_track' else task}/{kind}/{last}"
            images = images or _IMAGES[task]
        if not labels:
            raise DataError(
                "nothing says where Scalabel's files are", hint="say task=ins_seg, or labels= and images="
            )
        source = root / labels.replace("{split}", split)
        folder = root / images.replace("{split}", split)
        if not folder.is_dir():
            raise DataError(f"{folder} is not there", hint="put the images there, or give their folder: images=")
        read = list(_read(source))
        names = tuple(classes) or (THING_NAMES if task else _leaves(read))
        if not names:
            raise DataError(f"{source}: no config names the categories", hint="say classes=")
        self.object_classes = Classes(names, colours_for(names))
        self._class_of = {name: class_id for class_id, name in enumerate(names)}
        self._bdd = bool(task)
        self.left_out: list[LeftOut] = []
        self._frames: list[tuple[Path, Path, _Frame]] = []
        seen: set[str] = set()
        for path, what in read:
            for frame in what.frames:
                name = f"{frame.videoName}/{frame.name}" if frame.videoName else frame.name
                image = next((folder / n for n in (name, frame.name) if (folder / n).is_file()), None)
                if image is None or name in seen:
                    reason = "is there twice" if name in seen else f"the image is not in {folder}"
                    if strict:
                        raise DataError(f"{path}: {name}: {reason}", hint="or leave it out (not strict)")
                    self.left_out.append(LeftOut(name, reason))
                    continue
                seen.add(name)
                self._frames.append((path, image, frame))
        if not self._frames:
            raise DataError(f"{source}: no frame can be used", hint=f"images are looked for in {folder}")
        self.names = tuple(image.relative_to(folder).as_posix() for _, image, _ in self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample; see Dataset."""
        path, image_path, frame = self._frames[index]
        image = read_image(image_path)
        size = (image.shape[0], image.shape[1])
        where = f"{path}: {self.names[index]}"
        if frame.size is not None and (frame.size.height, frame.size.width) != size:
            raise DataError(
                f"{image_path} is {size_hw(image)}, {path.name} says {frame.size.width}x{frame.size.height}",
                hint="its polygons are meant for the other size",
            )
        labels = parsed(frame.labels, list[_Label] | None, where, _WHAT) or []  # type: ignore[arg-type]
        masked = [label for label in labels if label.poly2d or label.rle]
        drawn = _drawn(masked, size, where)
        marked = [
            one
            for place, label in enumerate(masked, 1)
            if (one := self._marked(label, drawn.get(place), size, where))
        ]
        return Sample(
            self.names[index], image, nothing_said(size), true_objects(marked, self.object_classes), frame.name
        )

    def _marked(self, label: _Label, segment: Segment | None, size: tuple[int, int], where: str) -> Marked | None:
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
        crowd, ignored = bool(attributes.get("crowd", False)), bool(attributes.get("ignored", False))
        return Marked(self._class_of[name], mask, crop, _number(label.id), crowd, ignored, box_xyxy=edges)


def _drawn(masked: Sequence[_Label], size: tuple[int, int], where: str) -> dict[int, Segment]:
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


def _number(name: str | int) -> int:
    """A label's id as a number: itself, or one made of its letters, the same in every frame."""
    if isinstance(name, int) or name.lstrip("-").isdecimal():
        return int(name)
    return int.from_bytes(blake2b(name.encode(), digest_size=7).digest(), "big")


def _read(source: Path) -> Iterator[tuple[Path, _File]]:
    paths = sorted(source.glob("*.json")) if source.is_dir() else [source]
    if not paths:
        raise DataError(f"{source} has no JSON files", hint=f"it should hold {_WHAT}")
    for path in paths:
        what = read_json(path, _File | list[_Frame], _WHAT)  # type: ignore[arg-type]
        yield path, what if isinstance(what, _File) else _File(what)


def _leaves(read: Sequence[tuple[Path, _File]]) -> tuple[str, ...]:
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
