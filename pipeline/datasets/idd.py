"""India Driving Dataset, segmentation, parts I and II: 14027 train and 2036 val images, 26 classes of level 3.

Layout: `{root}/leftImg8bit/{split}/{drive}/{frame}_leftImg8bit.{png,jpg}`, and in `{root}/gtFine/{split}/{drive}/`
what the official preperation/createLabels.py makes of the polygons: `{frame}_gtFine_labellevel3Ids.png`, numbers 0 to
25, 255 where nothing is said; or `{frame}_gtFine_labelcsTrainIds.png`, Cityscapes' 19 classes. The labels of test are
not public. Varma et al., WACV 2019, arXiv 1811.10200; AutoNUE/public-code, helpers/anue_labels.py.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.classes import DRIVING
from pipeline.datasets.listing import IMAGE_SUFFIXES, around, files
from pipeline.datasets.pairs import Pairs, chosen_split, id_reader, pair
from pipeline.errors import DataError
from pipeline.types import VOID, Classes

SPLITS = ("train", "val")
TERMS = "research, non-commercial"
_TABLE = (  # the first label of each id of level 3, as evaluation/evaluate_mIoU.py names them
    *(("road", (128, 64, 128)), ("drivable fallback", (81, 0, 81)), ("sidewalk", (244, 35, 232))),
    *(("non-drivable fallback", (152, 251, 152)), ("person", (220, 20, 60)), ("rider", (255, 0, 0))),
    *(("motorcycle", (0, 0, 230)), ("bicycle", (119, 11, 32)), ("autorickshaw", (255, 204, 54))),
    *(("car", (0, 0, 142)), ("truck", (0, 0, 70)), ("bus", (0, 60, 100)), ("vehicle fallback", (136, 143, 153))),
    *(("curb", (220, 190, 40)), ("wall", (102, 102, 156)), ("fence", (190, 153, 153))),
    *(("guard rail", (180, 165, 180)), ("billboard", (174, 64, 67)), ("traffic sign", (220, 220, 0))),
    *(("traffic light", (250, 170, 30)), ("pole", (153, 153, 153)), ("obs-str-bar-fallback", (169, 187, 214))),
    *(("building", (70, 70, 70)), ("bridge", (150, 100, 100)), ("vegetation", (107, 142, 35))),
    ("sky", (70, 130, 180)),
)
IDD = Classes(tuple(name for name, _ in _TABLE), tuple(colour for _, colour in _TABLE))


class Idd(Pairs):
    """IDD, 26 classes; the objects of its instance files are not read.

    Args:
        root: the folder with `leftImg8bit/` and `gtFine/`, or the one around it.
        split: train or val, or both: train+val.
        strict: see open_dataset.
        cityscapes: the labels in Cityscapes' 19 classes.

    Raises:
        DataError: see open_dataset; polygons of which no such labels were made.
    """

    def __init__(self, root: Path, split: str, strict: bool = True, cityscapes: bool = False) -> None:
        root = around(root, "leftImg8bit", "IDD_Segmentation", "idd20kII", "idd20k")
        ids = "csTrainId" if cityscapes else "level3Id"
        pairs, left_out = [], []
        for part in chosen_split(split, SPLITS, "idd"):
            labels = files(root / "gtFine" / part, (".png",), f"_gtFine_label{ids}s", deep=True)
            if not labels:
                raise DataError(
                    f"{root / 'gtFine' / part} has no *_gtFine_label{ids}s.png",
                    hint=f"make them of the polygons: createLabels.py --id-type {ids}, of AutoNUE/public-code",
                )
            images = files(root / "leftImg8bit" / part, IMAGE_SUFFIXES, "_leftImg8bit", deep=True)
            found, lone = pair(images, labels, strict)
            pairs += found
            left_out += lone
        classes = DRIVING if cityscapes else IDD
        reader = id_reader({number: number for number in range(len(classes))} | {VOID: VOID})
        super().__init__("idd", classes, TERMS, pairs, left_out, reader)
