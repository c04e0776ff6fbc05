"""COCO's instance segmentation, and everything that is stored like it (Roboflow, LVIS, converters).

Layout: `{root}/annotations/instances_{split}.json` with the images in `{root}/{split}/`, `{root}/images/{split}/` or
`{root}/images/`; Roboflow: `{root}/{split}/_annotations.coco.json` beside its images. Category ids have gaps (80 in
1..90): class ids here are places in the list of categories by rising id. Masks are polygons, run lengths as text, or
run lengths as numbers; `iscrowd` marks a group. Lin et al., ECCV 2014, arXiv 1405.0312; cocoapi, PythonAPI/coco.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.classes import colours_for
from pipeline.datasets.base import LeftOut, Sample
from pipeline.datasets.coco_places import find_annotations, find_images
from pipeline.datasets.decoding import read_image, size_hw
from pipeline.datasets.json_file import parsed, read_json
from pipeline.datasets.objects import NO_CLASSES, Marked, nothing_said, true_objects
from pipeline.errors import DataError
from pipeline.polygons import polygons_crop
from pipeline.rle import decode_crop, runs_crop
from pipeline.types import Classes

TERMS = "annotations CC BY 4.0, images by their Flickr terms"
_WHAT = "COCO's instances: images, annotations, categories"


class _Image(msgspec.Struct, frozen=True):
    id: int | str
    file_name: str
    height: int
    width: int


class _Category(msgspec.Struct, frozen=True):
    id: int
    name: str


class _Rle(msgspec.Struct, frozen=True):
    counts: str | list[int]
    size: tuple[int, int]  # height, width


class _Annotation(msgspec.Struct, frozen=True):
    id: int
    image_id: int | str
    category_id: int
    segmentation: msgspec.Raw = msgspec.Raw(b"[]")
    bbox: tuple[float, float, float, float] | None = None  # x, y, width, height
    area: float | None = None
    iscrowd: int = 0
    ignore: int = 0


class _File(msgspec.Struct, frozen=True):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


class Coco:
    """Images with objects; there are no label maps.

    Args:
        root: the folder with `annotations/`, or around Roboflow's split.
        split: as the file is called: val2017; or val, where there is only one such year.
        strict: see open_dataset.
        annotations: another place of the JSON, in root.
        images: another folder of the images, in root.
        terms: what the data may be used for, if it is not COCO itself.

    Raises:
        DataError: see open_dataset; two objects with one id, an unknown category or image, a missing image.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        strict: bool = True,
        annotations: str = "",
        images: str = "",
        terms: str = TERMS,
    ) -> None:
        self.name, self.terms = "coco", terms
        self.classes = NO_CLASSES
        self._file = find_annotations(root, split, "instances", annotations)
        what = read_json(self._file, _File, _WHAT)
        folders = find_images(root, split, self._file, images)
        categories = sorted(what.categories, key=lambda category: category.id)
        if len({category.id for category in categories}) < len(categories) or not categories:
            raise DataError(f"{self._file}: {len(categories)} categories, ids twice", hint="give each its own id")
        names = tuple(category.name for category in categories)
        self.object_classes = Classes(names, colours_for(names))
        self.category_ids = tuple(category.id for category in categories)  # by class id
        self._class_of = {category.id: class_id for class_id, category in enumerate(categories)}
        wrong = dict(self._wrong(what))
        self._images: list[_Image] = []
        self._paths: list[Path] = []
        self.left_out: list[LeftOut] = []
        for image in what.images:
            path = next(
                (folder / image.file_name for folder in folders if (folder / image.file_name).is_file()), None
            )
            reason = wrong.get(image.id, None if path is not None else f"the image is not in {folders[0]}")
            if reason is None and path is not None:
                self._images.append(image)
                self._paths.append(path)
                continue
            if strict:
                raise DataError(f"{self._file}: {image.file_name}: {reason}", hint="or leave it out (not strict)")
            self.left_out.append(LeftOut(image.file_name, f"{reason}"))
        if lone := wrong.get(None):
            if strict:
                raise DataError(f"{self._file}: {lone}", hint="or leave it out (not strict)")
            self.left_out.append(LeftOut(self._file.name, lone))
        if not self._images:
            first = f": {self.left_out[0].name}: {self.left_out[0].reason}" if self.left_out else ""
            raise DataError(
                f"{self._file}: no image of {len(what.images)} can be used{first}", hint="check its folder"
            )
        self.names = tuple(image.file_name for image in self._images)
        self._of_image: dict[int | str, list[_Annotation]] = {image.id: [] for image in self._images}
        for one in what.annotations:
            if one.image_id in self._of_image:
                self._of_image[one.image_id].append(one)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample; see Dataset."""
        about, picture = self._images[index], read_image(self._paths[index])
        if picture.shape[:2] != (about.height, about.width):
            raise DataError(
                f"{self._paths[index]} is {size_hw(picture)}, {self._file.name} says {about.width}x{about.height}",
                hint="its polygons are meant for the other size",
            )
        marked = [self._marked(one, (about.height, about.width)) for one in self._of_image[about.id]]
        objects = true_objects(marked, self.object_classes)
        return Sample(about.file_name, picture, nothing_said(picture.shape[:2]), objects, about.id)

    def _wrong(self, what: _File) -> Iterator[tuple[int | str | None, str]]:
        """Images that cannot be used, by id, and why; None: what belongs to no image."""
        counted: dict[int | str, int] = {}
        for image in what.images:
            counted[image.id] = counted.get(image.id, 0) + 1
        yield from ((number, f"image id {number} is there twice") for number, count in counted.items() if count > 1)
        seen: set[int] = set()
        for one in what.annotations:
            known = one.image_id in counted
            if one.id in seen:
                yield one.image_id if known else None, f"annotation id {one.id} is there twice"
            elif not known:
                yield None, f"annotation {one.id} is on an image {one.image_id} that is not listed"
            elif one.category_id not in self._class_of:
                yield one.image_id, f"annotation {one.id} is of an unknown category {one.category_id}"
            seen.add(one.id)

    def _marked(self, one: _Annotation, size: tuple[int, int]) -> Marked:
        where = f"{self._file}: annotation {one.id}"
        try:
            mask, crop = self._mask(one, size, where)
        except ValueError as error:
            raise DataError(f"{where}: {error}", hint="draw the object again, or leave its image out") from error
        box = None
        if one.bbox is not None:
            x, y, width, height = one.bbox
            box = (x, y, x + width, y + height)
        class_id = self._class_of[one.category_id]
        return Marked(class_id, mask, crop, one.id, one.iscrowd != 0, one.ignore != 0, one.area, box)

    def _mask(
        self, one: _Annotation, size: tuple[int, int], where: str
    ) -> tuple[NDArray[np.uint8], tuple[int, int, int, int]]:
        drawn = parsed(one.segmentation, list[list[float]] | _Rle | None, where, "polygons or run lengths")  # type: ignore[arg-type]
        if not isinstance(drawn, _Rle):
            return polygons_crop(drawn or [], size)
        if drawn.size != size:
            raise ValueError(f"run lengths of {drawn.size[1]}x{drawn.size[0]} on an image of {size[1]}x{size[0]}")
        if isinstance(drawn.counts, str):
            return decode_crop(drawn.counts, size)
        return runs_crop(np.array(drawn.counts, np.int64), size)
