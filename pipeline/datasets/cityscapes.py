"""Cityscapes, fine labels: 2975 train, 500 val and 1525 test images of 2048x1024; 19 classes are scored.

Layout: `{root}/leftImg8bit/{split}/{city}/{city}_{sequence}_{frame}_leftImg8bit.png` and
`{root}/gtFine/{split}/{city}/{city}_{sequence}_{frame}_gtFine_labelIds.png`; the labels of test are blank.
Where labelIds are not there, the labelTrainIds that the official scripts make of them are read.
Cordts et al., CVPR 2016, arXiv 1604.01685; ids of cityscapesScripts, helpers/labels.py.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.classes import DRIVING
from pipeline.datasets.label_ids import TRAIN_ID_OF
from pipeline.datasets.pairs import IMAGE_SUFFIXES, Pairs, chosen_split, files, id_reader, pair
from pipeline.types import VOID

SPLITS = ("train", "val", "test")
TERMS = "Cityscapes: non-commercial research and teaching"


class Cityscapes(Pairs):
    """Cityscapes semantic segmentation.

    Args:
        root: the folder with `leftImg8bit/` and `gtFine/`.
        split: train, val or test, or several such as train+val.
        strict: see open_dataset.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        pairs, left_out = [], []
        ids = TRAIN_ID_OF
        parts = chosen_split(split, SPLITS, "cityscapes")
        tables = [_labels(root / "gtFine" / part, "labelIds") for part in parts]
        if not any(tables):
            ids = {number: number for number in range(len(DRIVING))} | {VOID: VOID}
            tables = [_labels(root / "gtFine" / part, "labelTrainIds") for part in parts]
        for part, labels in zip(parts, tables, strict=True):
            images = files(root / "leftImg8bit" / part, IMAGE_SUFFIXES, "_leftImg8bit", deep=True)
            found, lone = pair(images, labels, strict)
            pairs += found
            left_out += lone
        super().__init__("cityscapes", DRIVING, TERMS, pairs, left_out, id_reader(ids))


def _labels(folder: Path, kind: str) -> dict[str, Path]:
    return files(folder, (".png",), f"_gtFine_{kind}", deep=True)
