"""KITTI's semantic segmentation of 2015: 200 images with labels, in Cityscapes' classes.

Layout: `{root}/training/{image_2,semantic}/000000_10.png`, `semantic` in Cityscapes' label ids. The 200 images of
`testing` have no labels. Alhaija et al., IJCV 2018; https://www.cvlibs.net/datasets/kitti.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.classes import DRIVING
from pipeline.datasets.label_ids import TRAIN_ID_OF
from pipeline.datasets.pairs import IMAGE_SUFFIXES, Pairs, chosen_split, files, id_reader, pair

SPLITS = ("training",)
TERMS = "CC BY-NC-SA 3.0, non-commercial"


class KittiSemantic(Pairs):
    """KITTI semantics, 19 classes.

    Args:
        root: the folder with `training/`.
        split: training.
        strict: see open_dataset.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        (part,) = chosen_split(split, SPLITS, "kitti-semantic")
        images = files(root / part / "image_2", IMAGE_SUFFIXES)
        labels = files(root / part / "semantic", (".png",))
        super().__init__("kitti-semantic", DRIVING, TERMS, *pair(images, labels, strict), id_reader(TRAIN_ID_OF))
