"""BDD100K's semantic segmentation: 7000 train and 1000 val images of 1280x720, in Cityscapes' 19 classes.

Layout: `{root}/images/10k/{split}/{name}.jpg` and `{root}/labels/sem_seg/masks/{split}/{name}.png`, numbers are
trainIds, 255 where nothing is said. Yu et al., CVPR 2020, arXiv 1805.04687. The test split's labels are not public.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.classes import DRIVING
from pipeline.datasets.bdd100k_labels import TERMS
from pipeline.datasets.bdd100k_places import paired
from pipeline.datasets.pairs import Pairs, id_reader
from pipeline.types import VOID

TRAIN_IDS = {number: number for number in range(len(DRIVING))} | {VOID: VOID}


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
        pairs, left_out = paired(root, split, strict, "bdd100k", "10k", "sem_seg/masks")
        super().__init__("bdd100k", DRIVING, TERMS, pairs, left_out, id_reader(TRAIN_IDS))
