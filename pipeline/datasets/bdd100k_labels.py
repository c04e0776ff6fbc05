"""BDD100K's lists of classes and the content of its bitmasks (bdd100k/label/label.py, bdd100k/configs/*.toml)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.classes import DRIVING, colours_for
from pipeline.datasets.decoding import read_bitmask
from pipeline.datasets.objects import Segment, segments
from pipeline.errors import DataError
from pipeline.types import Classes, Panoptic

TERMS = "BDD100K: education, research, not for profit"
SPLITS = ("train", "val")
SIZE_HW = (720, 1280)

# Objects of ins_seg and seg_track, ids from 1; `ignored` names are other things that count as regions of a class.
THING_NAMES = ("pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
THINGS = Classes(THING_NAMES, colours_for(THING_NAMES))
RENAMED = {"bike": "bicycle", "caravan": "car", "motor": "motorcycle", "person": "pedestrian", "van": "car"}
IGNORED_AS = {"other person": "pedestrian", "other vehicle": "car", "trailer": "truck"}

# pan_seg, ids from 1 (0 is unlabeled); those behind LAST_STUFF are things.
PANOPTIC_NAMES = (
    *("dynamic", "ego vehicle", "ground", "static", "parking", "rail track", "road", "sidewalk", "bridge"),
    *("building", "fence", "garage", "guard rail", "tunnel", "wall", "banner", "billboard", "lane divider"),
    *("parking sign", "pole", "polegroup", "street light", "traffic cone", "traffic device", "traffic light"),
    *("traffic sign", "traffic sign frame", "terrain", "vegetation", "sky", "person", "rider", "bicycle", "bus"),
    *("car", "caravan", "motorcycle", "trailer", "train", "truck"),
)
LAST_STUFF = 30
_OWN_COLOURS = {
    **dict(zip(("dynamic", "ground", "parking"), ((111, 74, 0), (81, 0, 81), (250, 170, 160)), strict=True)),
    **{"ego vehicle": (0, 0, 0), "static": (0, 0, 0), "rail track": (230, 150, 140), "bridge": (150, 100, 100)},
    **{"garage": (180, 100, 180), "guard rail": (180, 165, 180), "tunnel": (150, 120, 90), "banner": (250, 170, 100)},
    **{"billboard": (220, 220, 250), "lane divider": (255, 165, 0), "parking sign": (220, 20, 60)},
    **{"polegroup": (153, 153, 153), "street light": (220, 220, 100), "traffic cone": (255, 70, 0)},
    **{"traffic device": (220, 220, 220), "traffic sign frame": (250, 170, 250), "caravan": (0, 0, 90)},
    "trailer": (0, 0, 110),
}
_COLOURS = dict(zip(DRIVING.names, DRIVING.colours, strict=True)) | _OWN_COLOURS
PANOPTIC = Classes(PANOPTIC_NAMES, tuple(_COLOURS[name] for name in PANOPTIC_NAMES))
PANOPTIC_THINGS = Classes(PANOPTIC.names[LAST_STUFF:], PANOPTIC.colours[LAST_STUFF:])

DRIVABLE = Classes(("direct", "alternative", "background"), ((219, 94, 86), (86, 211, 219), (0, 0, 0)))

# A lane's byte is --dsbccc: direction, style, background, category. The class id is the byte.
LANE_CATEGORIES = (
    *("crosswalk", "double other", "double white", "double yellow", "road curb", "single other", "single white"),
    "single yellow",
)
LANE_BACKGROUND = 0b1000
_LANE_COLOURS = (
    *((219, 94, 86), (219, 194, 86), (145, 219, 86), (86, 219, 127), (86, 211, 219), (86, 111, 219)),
    *((160, 86, 219), (219, 86, 178)),
)


def _lanes() -> Classes:
    names: list[str] = []
    colours: list[tuple[int, int, int]] = []
    for direction, style, background, category in product(
        ("parallel", "vertical"), ("solid", "dashed"), (0, 1), range(8)
    ):
        byte = len(names)
        names.append(f"background {byte}" if background else f"{LANE_CATEGORIES[category]}, {style}, {direction}")
        colours.append((0, 0, 0) if background else _LANE_COLOURS[category])
    return Classes(tuple(names), tuple(colours))


LANES = _lanes()


class BitmaskObject(NamedTuple):
    """An object of a bitmask."""

    category: int  # from 1
    attributes: int  # truncated 8, occluded 4, crowd 2, ignored 1
    segment: Segment

    @property
    def number(self) -> int:
        """Of the instance."""
        return self.segment.number

    @property
    def crowd(self) -> bool:
        """A group that was not told apart."""
        return bool(self.attributes & 2)

    @property
    def ignored(self) -> bool:
        """Not scored either way."""
        return bool(self.attributes & 1)


def bitmask_objects(path: Path, categories: int) -> tuple[tuple[int, int], Iterator[BitmaskObject]]:
    """Height and width of a bitmask, and its objects by rising instance.

    R is the category, G the attributes, (B << 8) + A the instance; instance 0 is background.

    Raises:
        DataError: no bitmask; when iterating: an instance of two categories, or of one that is not there.
    """
    rgba = read_bitmask(path).astype(np.int32)
    instances = (rgba[..., 2] << 8) + rgba[..., 3]
    kinds = (rgba[..., 0] << 8) + rgba[..., 1]
    height, width = instances.shape

    def objects() -> Iterator[BitmaskObject]:
        for segment in segments(instances):
            x0, y0, x1, y1 = segment.crop_px
            found = kinds[y0:y1, x0:x1][segment.mask != 0]
            category, attributes = divmod(int(found[0]), 256)
            if (found != found[0]).any():
                raise DataError(
                    f"{path}: instance {segment.number} has more than one category or set of attributes",
                    hint="each instance of an image needs a number of its own",
                )
            if category > categories:
                raise DataError(f"{path}: unknown category {category}", hint=f"this layout has 1..{categories}")
            if category:
                yield BitmaskObject(category, attributes, segment)

    return (height, width), objects()


def read_panoptic(path: Path) -> Panoptic:
    """The segments of a bitmask of 40 classes; those that are crowds or ignored are crowds.

    Raises:
        DataError: no bitmask, or a segment of two categories, or of one that is not there.
    """
    size_hw, there = bitmask_objects(path, len(PANOPTIC))
    numbers = np.zeros(size_hw, np.int32)
    class_ids, crowd = list[int](), list[bool]()
    for one in there:
        x0, y0, x1, y1 = one.segment.crop_px
        class_ids.append(one.category - 1)
        crowd.append(one.crowd or one.ignored)
        numbers[y0:y1, x0:x1][one.segment.mask != 0] = len(class_ids)
    return Panoptic(numbers, np.array(class_ids, np.int32), np.array(crowd, np.bool_), PANOPTIC)
