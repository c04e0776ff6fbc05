"""COCO's panoptic segmentation: a number for every pixel, and what each number is.

Layout: `{root}/annotations/panoptic_{split}.json` with PNGs in `{root}/annotations/panoptic_{split}/`, images as for
`coco`. A pixel's number is R + 256 G + 65536 B, 0 is void. Kirillov et al., arXiv 1801.00868; panopticapi.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.classes import colours_for
from pipeline.datasets.base import LeftOut, Sample
from pipeline.datasets.coco import TERMS
from pipeline.datasets.coco_places import find_annotations, find_images
from pipeline.datasets.decoding import read_colours
from pipeline.datasets.json_file import is_there, read_json
from pipeline.datasets.objects import Marked, Segment, segments, true_objects
from pipeline.datasets.pairs import Pair, Pairs
from pipeline.errors import DataError
from pipeline.types import VOID, Classes, TrueObjects


class _Segment(msgspec.Struct, frozen=True):
    id: int
    category_id: int
    area: float | None = None
    iscrowd: int | bool = 0


class _Annotation(msgspec.Struct, frozen=True):
    image_id: int | str
    file_name: str
    segments_info: list[_Segment]


class _Image(msgspec.Struct, frozen=True):
    id: int | str
    file_name: str


class _Category(msgspec.Struct, frozen=True):
    id: int
    name: str
    isthing: int
    color: tuple[int, int, int] | None = None


class _File(msgspec.Struct, frozen=True):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


class CocoPanoptic(Pairs):
    """Label maps of things and stuff, and the things one by one.

    Args:
        root, split, strict, annotations, images: as of Coco.
        masks: another folder of the PNGs, in root.
        terms: what the data may be used for, if it is not COCO itself.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        strict: bool = True,
        annotations: str = "",
        images: str = "",
        masks: str = "",
        terms: str = TERMS,
    ) -> None:
        self._file = find_annotations(root, split, "panoptic", annotations)
        what = read_json(self._file, _File, "COCO's panoptic annotations", lax=True)
        folders = find_images(root, split, self._file, images)
        mask_folder = root / masks.replace("{split}", split) if masks else self._file.with_suffix("")
        if not mask_folder.is_dir():
            packed = mask_folder.with_suffix(".zip").is_file()
            hint = f"unpack {mask_folder.name}.zip there" if packed else "it holds the PNGs; or give masks="
            raise DataError(f"{mask_folder} is not there", hint=hint)
        ordered = sorted(what.categories, key=lambda category: category.id)
        if not 0 < len(ordered) < VOID or len({category.id for category in ordered}) < len(ordered):
            raise DataError(f"{self._file}: {len(ordered)} categories, or ids twice", hint="give each its own id")
        names = tuple(category.name for category in ordered)
        colours = tuple(one.color or other for one, other in zip(ordered, colours_for(names), strict=True))
        things = [place for place, category in enumerate(ordered) if category.isthing]
        thing_classes = Classes(tuple(names[i] for i in things), tuple(colours[i] for i in things))
        self._class_of = {category.id: place for place, category in enumerate(ordered)}
        self._thing_of = {ordered[place].id: class_id for class_id, place in enumerate(things)}
        paths = {image.id: image.file_name for image in what.images}
        if len(paths) < len(what.images):
            raise DataError(f"{self._file}: image ids are there twice", hint="give each image its own id")
        pairs: list[Pair] = []
        left_out: list[LeftOut] = []
        self._info: dict[Path, _Annotation] = {}
        for one in what.annotations:
            name = paths.get(one.image_id, "")
            image = next((folder / name for folder in folders if name and is_there(folder / name)), None)
            labels = mask_folder / one.file_name
            if image is None or not is_there(labels) or labels in self._info:
                reason = "is there twice" if labels in self._info else "the image or the PNG is not there"
                if strict:
                    raise DataError(f"{self._file}: {one.file_name}: {reason}", hint=f"PNGs are in {mask_folder}")
                left_out.append(LeftOut(name or one.file_name, reason))
                continue
            self._info[labels] = one
            pairs.append(Pair(name, image, labels))
        if not pairs:
            raise DataError(f"{self._file}: no image can be used", hint=f"images {folders[0]}, PNGs {mask_folder}")
        table = Classes(names, colours)
        super().__init__("coco-panoptic", table, terms, pairs, left_out, None, thing_classes)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample; see Dataset."""
        return replace(super().__getitem__(index), image_id=self._info[self._pairs[index].labels].image_id)

    def _truth(self, pair: Pair) -> tuple[NDArray[np.uint8], TrueObjects | None]:
        bgra = cv2.cvtColor(read_colours(pair.labels), cv2.COLOR_BGR2RGBA)
        numbers = bgra.view("<i4")[..., 0] & 0xFFFFFF  # R + 256 G + 65536 B
        found = {segment.number: segment for segment in segments(numbers)}
        info = {one.id: one for one in self._info[pair.labels].segments_info}
        if len(info) < len(self._info[pair.labels].segments_info) or set(info) != set(found):
            odd = sorted(set(info) ^ set(found))[:4]
            raise DataError(
                f"{pair.labels}: {self._file.name} has other segments: {', '.join(map(str, odd)) or 'one twice'}",
                hint="the PNG and the JSON belong together",
            )
        labels = np.full(numbers.shape, VOID, np.uint8)
        marked: list[Marked] = []
        for number, one in info.items():
            if one.category_id not in self._class_of:
                raise DataError(
                    f"{self._file}: {pair.labels.name}: segment {number} is of an unknown category {one.category_id}",
                    hint="list it under `categories`",
                )
            _paint(labels, found[number], self._class_of[one.category_id])
            if (thing := self._thing_of.get(one.category_id)) is not None:
                crop = found[number].crop_px
                marked.append(Marked(thing, found[number].mask, crop, number, one.iscrowd != 0, area_px=one.area))
        assert self.object_classes is not None
        return labels, true_objects(marked, self.object_classes)


def _paint(labels: NDArray[np.uint8], segment: Segment, class_id: int) -> None:
    x0, y0, x1, y1 = segment.crop_px
    labels[y0:y1, x0:x1][segment.mask != 0] = class_id
