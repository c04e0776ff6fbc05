"""India Driving Dataset Lite: 1403 train and 204 val images of 320x227 with 7 classes.

Layout: `{root}/leftImg8bit/{split}/{sequence}/{frame}_image.jpg`, labels of the same names in `{root}/gtFine/` as
`{frame}_label.png`, numbers 0..6, 255 where nothing is said; `{frame}_inst_label.png` beside them are not read, as by
its tool. The test split has no labels.
Varma et al., arXiv 1811.10200; https://idd.insaan.iiit.ac.in; public-code, evaluation/idd_lite_evaluate_mIoU.py.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.listing import IMAGE_SUFFIXES, around, files
from pipeline.datasets.pairs import Pairs, chosen_split, id_reader, pair
from pipeline.types import VOID, Classes

SPLITS = ("train", "val")
TERMS = "research, non-commercial"
IDD_LITE = Classes(
    ("drivable", "non-drivable", "living things", "vehicles", "roadside objects", "far objects", "sky"),
    # as the data set's own tools paint the most frequent class of each group
    ((128, 64, 128), (244, 35, 232), (220, 20, 60), (0, 0, 142), (220, 190, 40), (70, 70, 70), (70, 130, 180)),
)


class IddLite(Pairs):
    """IDD Lite.

    Args:
        root: the folder with `leftImg8bit/` and `gtFine/`, or the one around it.
        split: train or val, or both: train+val.
        strict: see open_dataset.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        root = around(root, "leftImg8bit", "idd20k_lite")
        pairs, left_out = [], []
        for part in chosen_split(split, SPLITS, "idd-lite"):
            images = files(root / "leftImg8bit" / part, IMAGE_SUFFIXES, "_image", deep=True)
            labels = files(root / "gtFine" / part, (".png",), "_label", deep=True)
            labels = {name: path for name, path in labels.items() if not name.endswith("_inst")}
            found, lone = pair(images, labels, strict)
            pairs += found
            left_out += lone
        ids = {number: number for number in range(len(IDD_LITE))} | {VOID: VOID}
        super().__init__("idd-lite", IDD_LITE, TERMS, pairs, left_out, id_reader(ids))
