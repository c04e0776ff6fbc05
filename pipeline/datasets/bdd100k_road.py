"""BDD100K's drivable area and lane markings: 70000 train and 10000 val images of 1280x720.

Layouts: `{root}/images/100k/{split}/{name}.jpg`, `{root}/labels/{drivable,lane}/masks/{split}/{name}.png`. Drivable:
0 direct, 1 alternative, 2 background. Lane: a byte --dsbccc (direction, style, background, category), 255 background.
Yu et al., CVPR 2020, arXiv 1805.04687; bdd100k/label/label.py, bdd100k/eval/lane.py.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.bdd100k_labels import DRIVABLE, LANE_BACKGROUND, LANES, TERMS
from pipeline.datasets.bdd100k_places import paired
from pipeline.datasets.pairs import Pairs, id_reader
from pipeline.types import VOID

DRIVABLE_IDS = {number: number for number in range(len(DRIVABLE))} | {VOID: VOID}
LANE_IDS = {byte: VOID if byte & LANE_BACKGROUND else byte for byte in (*range(len(LANES)), VOID)}


class Bdd100kDrivable(Pairs):
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
        pairs, left_out = paired(root, split, strict, "bdd100k-drivable", "100k", "drivable/masks")
        super().__init__("bdd100k-drivable", DRIVABLE, TERMS, pairs, left_out, id_reader(DRIVABLE_IDS))


class Bdd100kLanes(Pairs):
    """BDD100K lane markings. A class id is the byte as it is stored; bytes of the background are VOID.

    Args:
        root, split, strict: as of Bdd100kDrivable.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        pairs, left_out = paired(root, split, strict, "bdd100k-lane", "100k", "lane/masks")
        super().__init__("bdd100k-lane", LANES, TERMS, pairs, left_out, id_reader(LANE_IDS))
