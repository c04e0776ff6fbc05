"""PASCAL VOC 2012 segmentation: 1464 train and 1449 val images, 20 classes and background, with objects.

Layout: `{root}/JPEGImages/{name}.jpg`, `SegmentationClass/{name}.png`, `SegmentationObject/{name}.png`, the names of
a split in `ImageSets/Segmentation/{split}.txt`. Palette indices are the ids: 0 background, 255 borders and what is
hard to tell, not scored. Everingham et al., IJCV 111(1), 2015; VOCdevkit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.base import LeftOut
from pipeline.datasets.decoding import read_ids, size_hw
from pipeline.datasets.listing import IMAGE_SUFFIXES, around, files
from pipeline.datasets.name_lists import read_names
from pipeline.datasets.objects import Marked, segments, true_objects
from pipeline.datasets.pairs import Pair, Pairs, id_reader, listed, pair, with_objects
from pipeline.errors import DataError
from pipeline.types import VOID, Classes, TrueObjects

TERMS = "images by their Flickr terms, research"
NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def palette_colour(index: int) -> tuple[int, int, int]:
    """The colour that VOC, and DAVIS after it, give to an index (VOCdevkit, VOClabelcolormap.m)."""
    red = green = blue = 0
    for bit in range(8):
        red |= (index >> (3 * bit) & 1) << (7 - bit)
        green |= (index >> (3 * bit + 1) & 1) << (7 - bit)
        blue |= (index >> (3 * bit + 2) & 1) << (7 - bit)
    return red, green, blue


VOC = Classes(NAMES, tuple(palette_colour(index) for index in range(len(NAMES))))
THINGS = Classes(VOC.names[1:], VOC.colours[1:])


class Voc(Pairs):
    """PASCAL VOC segmentation.

    Args:
        root: the folder with `JPEGImages/`, or one around it: VOCdevkit, of which 2012 is read, else 2007.
        split: train, val or trainval; any list of ImageSets/Segmentation.
        strict: see open_dataset.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        root = around(root, "JPEGImages", "VOC2012", "VOCdevkit/VOC2012", "VOC2007", "VOCdevkit/VOC2007")
        names = read_names(root / "ImageSets" / "Segmentation", split)
        images = listed(files(root / "JPEGImages", IMAGE_SUFFIXES), names)
        labels = listed(files(root / "SegmentationClass", (".png",)), names)
        lost = [name for name in names if name not in images and name not in labels]
        if lost and (strict or len(lost) == len(names)):
            raise DataError(
                f"{root}: {len(lost)} images of {split} are not there: {lost[0]}", hint="fetch them again"
            )
        pairs, left_out = pair(images, labels, strict)
        left_out += [LeftOut(name, "neither image nor label") for name in lost]
        if (root / "SegmentationObject").is_dir():
            pairs, lone = with_objects(pairs, files(root / "SegmentationObject", (".png",)), strict)
            left_out += lone
        ids = {number: number for number in range(len(VOC))} | {VOID: VOID}
        things = THINGS if pairs[0].objects else None
        super().__init__("voc", VOC, TERMS, pairs, left_out, id_reader(ids, palette=None), things)

    def _truth(self, pair: Pair) -> tuple[NDArray[np.uint8], TrueObjects | None]:
        labels = self._labels(pair)
        if pair.objects is None:
            return labels, None
        numbers = read_ids(pair.objects, palette=None)
        if numbers.shape != labels.shape:
            raise DataError(
                f"{pair.objects} is {size_hw(numbers)}, its labels {size_hw(labels)}", hint="they belong together"
            )
        marked = []
        for segment in segments(numbers):
            if segment.number == VOID:
                continue
            x0, y0, x1, y1 = segment.crop_px
            counts = np.bincount(labels[y0:y1, x0:x1][segment.mask != 0], minlength=VOID + 1)
            counts[[0, VOID]] = 0
            if not counts.any():
                raise DataError(
                    f"{pair.objects}: object {segment.number} has no class in {pair.labels}", hint="fetch both again"
                )
            marked.append(Marked(int(counts.argmax()) - 1, segment.mask, segment.crop_px, segment.number))
        return labels, true_objects(marked, THINGS)
