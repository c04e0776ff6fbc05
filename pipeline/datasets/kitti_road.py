"""KITTI road of 2013: 289 training images, painted: road (all lanes), and the own lane on marked roads.

Layout: `{root}/training/image_2/{um,umm,uu}_000000.png`, `{root}/training/gt_image_2/um_road_000000.png` and
`um_lane_000000.png`. As in the devkit, blue is what is asked for and red is where it is asked: (255, 0, 255) road,
(255, 0, 0) not, (0, 0, 0) is not scored. Fritsch, Kuehnl, Geiger, ITSC 2013.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.decoding import read_colours
from pipeline.datasets.listing import IMAGE_SUFFIXES, around, files
from pipeline.datasets.pairs import Pairs, chosen_split, pair
from pipeline.errors import DataError
from pipeline.types import VOID, Classes

SPLITS = ("training",)
TERMS = "CC BY-NC-SA 3.0, non-commercial"
Kind = Literal["road", "lane"]
KINDS: tuple[Kind, ...] = ("road", "lane")


class KittiRoad(Pairs):
    """KITTI road, two classes: background, and road or lane.

    Args:
        root: the folder with `training/`.
        split: training.
        strict: see open_dataset.
        kind: road, or lane (only the 95 images `um` have it).

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True, kind: Kind = "road") -> None:
        (part,) = chosen_split(split, SPLITS, "kitti-road")
        if kind not in KINDS:
            raise DataError(f"kitti-road has no {kind!r}", hint=f"kinds are {', '.join(KINDS)}")
        root = around(root, part, "data_road")
        found = files(root / part / "gt_image_2", (".png",))
        labels = {name.replace(f"_{kind}_", "_"): path for name, path in found.items() if f"_{kind}_" in name}
        if not labels:
            others = [other for other in KINDS if any(f"_{other}_" in name for name in found)]
            hint = f"there is kind={others[0]}" if others else "check the data set's folder"
            raise DataError(f"{root / part / 'gt_image_2'} has no files of kind {kind}", hint=hint)
        images = files(root / part / "image_2", IMAGE_SUFFIXES)
        if kind == "lane":
            images = {name: path for name, path in images.items() if name.startswith("um_")}
        classes = Classes(("background", kind), ((70, 70, 70), (128, 64, 128)))
        super().__init__("kitti-road", classes, TERMS, *pair(images, labels, strict), _read)


def _read(path: Path) -> NDArray[np.uint8]:
    bgr = read_colours(path)
    if bgr[..., 1].any() or (bgr - np.uint8(1) < 254).any():  # 0 - 1 is 255
        raise DataError(
            f"{path}: colours other than red, magenta and black", hint="files of gt_image_2 have only those"
        )
    return np.where(bgr[..., 2] == 0, VOID, bgr[..., 0] != 0).astype(np.uint8)
