"""BDD100K's semantic segmentation: 7000 train and 1000 val images of 1280x720, in Cityscapes' 19 classes.

Layout: `{root}/images/10k/{split}/{name}.jpg` and `{root}/labels/sem_seg/masks/{split}/{name}.png`, numbers are
trainIds, 255 where nothing is said. Yu et al., CVPR 2020, arXiv 1805.04687. The test split's labels are not public.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.classes import DRIVING
from pipeline.datasets.pairs import IMAGE_SUFFIXES, Pairs, chosen_split, files, id_reader, pair
from pipeline.types import VOID

SPLITS = ("train", "val")
TERMS = "BDD100K: education, research, not for profit"


class Bdd100k(Pairs):
    """BDD100K semantic segmentation.

    Args:
        root: the folder with `images/` and `labels/`.
        split: train or val, or both: train+val.
        strict: see open_dataset.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        pairs, left_out = [], []
        for part in chosen_split(split, SPLITS, "bdd100k"):
            images = files(root / "images" / "10k" / part, IMAGE_SUFFIXES)
            labels = files(root / "labels" / "sem_seg" / "masks" / part, (".png",))
            found, lone = pair(images, labels, strict)
            pairs += found
            left_out += lone
        ids = {number: number for number in range(len(DRIVING))} | {VOID: VOID}
        super().__init__("bdd100k", DRIVING, TERMS, pairs, left_out, id_reader(ids))
