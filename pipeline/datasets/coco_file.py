"""COCO's annotation file: which images there are, and the objects on each.

Category ids have gaps (80 in 1..90): class ids here are places in the list of categories by rising id. Masks are
polygons, run lengths as text, or run lengths as numbers; `iscrowd` marks a group. cocoapi, PythonAPI/coco.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from pipeline.classes import colours_for
from pipeline.datasets.json_file import parsed, read_json
from pipeline.datasets.objects import Marked, Mask, true_objects
from pipeline.errors import DataError
from pipeline.polygons import polygons_crop
from pipeline.rle import decode_crop, runs_crop
from pipeline.types import Classes, TrueObjects

Box = tuple[float, float, float, float]
_WHAT = "COCO's instances: images, annotations, categories"


Whole = Annotated[int, msgspec.Meta(ge=-(1 << 53), le=1 << 53)]  # what a number of JSON holds exactly


class CocoImage(msgspec.Struct, frozen=True):
    """An image that a file lists."""

    id: int | str
    file_name: str
    height: int
    width: int


class _Category(msgspec.Struct, frozen=True):
    id: int
    name: str


class _Rle(msgspec.Struct, frozen=True):
    counts: str | list[Whole]
    size: tuple[int, int]  # height, width


class _Annotation(msgspec.Struct, frozen=True):
    id: Whole
    image_id: int | str
    category_id: int
    segmentation: msgspec.Raw = msgspec.Raw(b"[]")
    bbox: Box | None = None  # x, y, width, height
    area: float | None = None
    iscrowd: int | bool = 0  # what files say with `ignore` is not read: COCOeval overwrites it with this


class _File(msgspec.Struct, frozen=True):
    images: list[CocoImage]
    categories: list[_Category]
    annotations: list[_Annotation]


class CocoFile:
    """An annotation file; objects are decoded when they are asked for.

    Args:
        path: of the JSON.

    Raises:
        DataError: broken, or categories with one id.

    Attributes:
        images: all that it lists, by rising id as pycocotools takes them: of equal scores the first counts first.
        wrong: id of an image that cannot be used -> why; None -> what belongs to no image.
        classes: of the objects, by rising category id.
        category_ids: by class id.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        what = read_json(path, _File, _WHAT, lax=True)
        categories = sorted(what.categories, key=lambda category: category.id)
        if not categories:
            raise DataError(f"{path} lists no categories", hint="list them under `categories`, with id and name")
        if twice := [one.id for one, other in pairwise(categories) if one.id == other.id]:
            raise DataError(f"{path}: category id {twice[0]} is there twice", hint="give each its own id")
        names = tuple(_told_apart(categories))
        self.images = tuple(sorted(what.images, key=lambda image: (isinstance(image.id, str), image.id)))
        self.classes = Classes(names, colours_for(names))
        self.category_ids = tuple(category.id for category in categories)
        self._class_of = {category.id: class_id for class_id, category in enumerate(categories)}
        self.wrong = dict(self._wrong(what))
        self._all = what.annotations
        self._of_image: dict[int | str, list[_Annotation]] = {}

    def keep(self, images: Iterable[CocoImage]) -> None:
        """Only the objects of these images are kept."""
        self._of_image = {image.id: [] for image in images}
        for one in self._all:
            if one.image_id in self._of_image:
                self._of_image[one.image_id].append(one)
        self._all = []

    def objects(self, image: CocoImage) -> TrueObjects:
        """What is on an image; DataError for a broken mask."""
        marked = [self._marked(one, (image.height, image.width)) for one in self._of_image[image.id]]
        return true_objects(marked, self.classes)

    def _wrong(self, what: _File) -> Iterator[tuple[int | str | None, str]]:
        """Images that cannot be used, by id, and why; None: what belongs to no image."""
        counted: dict[int | str, int] = {}
        for image in what.images:
            counted[image.id] = counted.get(image.id, 0) + 1
        yield from ((number, f"image id {number} is there twice") for number, count in counted.items() if count > 1)
        texts = {str(number) for number in counted}
        seen: set[int] = set()
        for one in what.annotations:
            known = one.image_id in counted
            if one.id in seen:
                yield one.image_id if known else None, f"annotation id {one.id} is there twice"
            elif not known:
                said = f"annotation {one.id} is on an image {one.image_id} that is not listed"
                mixed = str(one.image_id) in texts
                yield None, f"{said}: ids are numbers in one place and text in the other" if mixed else said
            elif one.category_id not in self._class_of:
                yield one.image_id, f"annotation {one.id} is of an unknown category {one.category_id}"
            seen.add(one.id)

    def _marked(self, one: _Annotation, size: tuple[int, int]) -> Marked:
        where = f"{self.path}: annotation {one.id}"
        try:
            mask, crop = read_mask(one.segmentation, size, where)
        except ValueError as error:
            raise DataError(f"{where}: {error}", hint="draw the object again, or leave its image out") from error
        box, sides = (None, None) if one.bbox is None else edges(one.bbox)
        class_id = self._class_of[one.category_id]
        crowd = one.iscrowd != 0
        return Marked(class_id, mask, crop, one.id, crowd, area_px=one.area, box_xyxy=box, sides_px=sides)


def _told_apart(categories: Sequence[_Category]) -> Iterator[str]:
    """Their names, with the id behind those that several have: classes are told apart by name."""
    counts = Counter(category.name.lower() for category in categories)
    for category in categories:
        alone = counts[category.name.lower()] == 1
        yield category.name if alone else f"{category.name} ({category.id})"


def edges(bbox: Sequence[float]) -> tuple[Box, tuple[float, float]]:
    """x0, y0, x1, y1 of a box that is stored as x, y, width, height; and the last two."""
    x, y, width, height = bbox
    return (x, y, x + width, y + height), (width, height)


def read_mask(segmentation: msgspec.Raw, size: tuple[int, int], where: str) -> Mask:
    """A mask as COCO stores them, in an image of that height and width.

    Raises:
        DataError: begins with `where`: neither polygons nor run lengths.
        ValueError: run lengths that are broken or of another size.
    """
    drawn = parsed(segmentation, list[list[float]] | _Rle | None, where, "polygons or run lengths", lax=True)  # type: ignore[arg-type]
    if not isinstance(drawn, _Rle):
        return polygons_crop(drawn or [], size)
    if drawn.size != size:
        raise ValueError(f"run lengths of {drawn.size[1]}x{drawn.size[0]} on an image of {size[1]}x{size[0]}")
    if isinstance(drawn.counts, str):
        return decode_crop(drawn.counts, size)
    return runs_crop(np.array(drawn.counts, np.int64), size)
