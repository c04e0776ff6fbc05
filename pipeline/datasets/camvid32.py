"""CamVid as published: 701 frames of 960x720 with 32 classes, painted.

Layout: `{root}/701_StillsRaw_full/0001TP_006690.png`, `{root}/LabeledApproved_full/0001TP_006690_L.png`, colours as
in label_colors.txt. There is no official split: `all`, or a name for which `{root}/{split}.txt` lists the images.
Copies with `{split}/` and `{split}_labels/`, or with `images/` and `labels/`, are read too; in those of fast.ai
labels are called `_P` and hold places in the list of the 32 names.
Brostow, Fauqueur, Cipolla, Pattern Recognition Letters 30(2), 2009.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.camvid import TERMS
from pipeline.datasets.folders import colour_reader
from pipeline.datasets.listing import IMAGE_SUFFIXES, files
from pipeline.datasets.name_lists import read_names
from pipeline.datasets.pairs import Pairs, id_reader, listed, pair
from pipeline.errors import DataError
from pipeline.types import VOID, Classes

ALL = "all"
SPLITS = (ALL,)
_TABLE = (
    *(("Animal", (64, 128, 64)), ("Archway", (192, 0, 128)), ("Bicyclist", (0, 128, 192)), ("Bridge", (0, 128, 64))),
    *(("Building", (128, 0, 0)), ("Car", (64, 0, 128)), ("CartLuggagePram", (64, 0, 192)), ("Child", (192, 128, 64))),
    *(("Column_Pole", (192, 192, 128)), ("Fence", (64, 64, 128)), ("LaneMkgsDriv", (128, 0, 192))),
    *(("LaneMkgsNonDriv", (192, 0, 64)), ("Misc_Text", (128, 128, 64)), ("MotorcycleScooter", (192, 0, 192))),
    *(("OtherMoving", (128, 64, 64)), ("ParkingBlock", (64, 192, 128)), ("Pedestrian", (64, 64, 0))),
    *(("Road", (128, 64, 128)), ("RoadShoulder", (128, 128, 192)), ("Sidewalk", (0, 0, 192))),
    *(("SignSymbol", (192, 128, 128)), ("Sky", (128, 128, 128)), ("SUVPickupTruck", (64, 128, 192))),
    *(("TrafficCone", (0, 0, 64)), ("TrafficLight", (0, 64, 64)), ("Train", (192, 64, 128)), ("Tree", (128, 128, 0))),
    *(("Truck_Bus", (192, 128, 192)), ("Tunnel", (64, 0, 64)), ("VegetationMisc", (192, 192, 0))),
    ("Wall", (64, 192, 0)),
)
CAMVID32 = Classes(tuple(name for name, _ in _TABLE), tuple(colour for _, colour in _TABLE))
_VOID_COLOUR = (0, 0, 0)  # the 32nd


class CamVid32(Pairs):
    """CamVid, 31 classes and void.

    Args:
        root: the folder with `701_StillsRaw_full/`.
        split: all, or as a list beside it is called.
        strict: see open_dataset.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str = ALL, strict: bool = True) -> None:
        folders = (
            ("701_StillsRaw_full", "LabeledApproved_full"),
            (split, f"{split}_labels"),
            ("images", "labels"),
        )
        image_folder, label_folder = next((pair for pair in folders if (root / pair[1]).is_dir()), folders[0])
        images = files(root / image_folder, IMAGE_SUFFIXES)
        found = files(root / label_folder, (".png",))
        labels = {name.removesuffix("_L").removesuffix("_P"): path for name, path in found.items()}
        if split != ALL and image_folder != split:
            names = [Path(name).stem for name in read_names(root, split)]
            if lost := [name for name in names if name not in images]:
                raise DataError(f"{root / split}.txt: {lost[0]} is not in {image_folder}", hint="check the list")
            images, labels = listed(images, names), listed(labels, names)
        super().__init__("camvid32", CAMVID32, TERMS, *pair(images, labels, strict), _read)


def _read(path: Path) -> NDArray[np.uint8]:
    return (_IDS if path.stem.endswith("_P") else _COLOURS)(path)


_COLOURS = colour_reader(
    {colour: index for index, (_, colour) in enumerate(_TABLE)} | {_VOID_COLOUR: VOID},
    "label_colors.txt has the 32 that there are; a copy that was scaled smoothly has others: fetch the published one",
)
_IDS = id_reader({number: number for number in range(30)} | {30: VOID, 31: 30}, palette=None)  # 30: Void, in the list
