"""BDD100K's drivable area and lane markings: 70000 train and 10000 val images of 1280x720.

Layouts: `{root}/images/100k/{split}/{name}.jpg`, `{root}/labels/{drivable,lane}/masks/{split}/{name}.png`. Drivable:
0 direct, 1 alternative, 2 background. Lane: a byte --dsbccc (direction, style, background, category), 255 background.
Yu et al., CVPR 2020, arXiv 1805.04687; bdd100k/label/label.py, bdd100k/eval/lane.py.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.bdd100k_labels import DRIVABLE, LANE_BACKGROUND, LANES, SPLITS, TERMS
from pipeline.datasets.pairs import IMAGE_SUFFIXES, Pairs, chosen_split, files, id_reader, pair
from pipeline.types import VOID, Classes


class _Road(Pairs):
    """What both have in common: where images and masks lie."""

    def __init__(
        self, root: Path, split: str, strict: bool, task: str, classes: Classes, ids: dict[int, int]
    ) -> None:
        pairs, left_out = [], []
        for part in chosen_split(split, SPLITS, f"bdd100k-{task}"):
            images = files(root / "images" / "100k" / part, IMAGE_SUFFIXES)
            labels = files(root / "labels" / task / "masks" / part, (".png",))
            found, lone = pair(images, labels, strict)
            pairs += found
            left_out += lone
        super().__init__(f"bdd100k-{task}", classes, TERMS, pairs, left_out, id_reader(ids))


class Bdd100kDrivable(_Road):
    """BDD100K drivable area. Background counts in the IoU of the others, but not in the mean.

    Args:
        root: the folder with `images/` and `labels/`.
        split: train or val, or both: train+val.
        strict: see open_dataset.

    Raises:
        DataError: see open_dataset.
    """

    not_in_mean = ("background",)

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        ids = {number: number for number in range(len(DRIVABLE))} | {VOID: VOID}
        super().__init__(root, split, strict, "drivable", DRIVABLE, ids)


class Bdd100kLanes(_Road):
    """BDD100K lane markings. A class id is the byte as it is stored; bytes of the background are VOID.

    Args:
        root, split, strict: as of Bdd100kDrivable.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        ids = {byte: VOID if byte & LANE_BACKGROUND else byte for byte in (*range(len(LANES)), VOID)}
        super().__init__(root, split, strict, "lane", LANES, ids)
