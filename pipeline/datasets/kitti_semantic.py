"""KITTI's semantic and instance segmentation of 2015: 200 images with labels, in Cityscapes' classes.

Layout: `{root}/training/{image_2,semantic,instance}/000000_10.png`; `semantic` in Cityscapes' label ids, `instance`
16 bit, label id * 256 + instance, counted from 1; what was not told apart has instance 0. The 200 images of `testing`
have no labels. Alhaija et al., IJCV 2018; https://www.cvlibs.net/datasets/kitti.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.classes import DRIVING
from pipeline.datasets.base import LeftOut
from pipeline.datasets.decoding import read_ids, size_hw
from pipeline.datasets.label_ids import DRIVING_THINGS, TRAIN_ID_OF, counted_things
from pipeline.datasets.listing import IMAGE_SUFFIXES, around, files
from pipeline.datasets.objects import true_objects
from pipeline.datasets.pairs import Pair, Pairs, chosen_split, id_reader, pair, with_objects
from pipeline.errors import DataError
from pipeline.types import TrueObjects

SPLITS = ("training",)
TERMS = "CC BY-NC-SA 3.0, non-commercial"
STEP = 256


class KittiLabels(Pairs):
    """Label files, and files of objects where the pairs have them.

    Args:
        pairs, left_out: see Pairs.
    """

    def __init__(self, pairs: Sequence[Pair], left_out: Sequence[LeftOut]) -> None:
        things = DRIVING_THINGS if any(pair.objects for pair in pairs) else None
        super().__init__("kitti-semantic", DRIVING, TERMS, pairs, left_out, id_reader(TRAIN_ID_OF), things)

    def _truth(self, pair: Pair) -> tuple[NDArray[np.uint8], TrueObjects | None]:
        labels = self._labels(pair)
        if pair.objects is None:
            return labels, None
        numbers = read_ids(pair.objects)
        if numbers.dtype != np.uint16 or numbers.shape != labels.shape:
            raise DataError(
                f"{pair.objects} is {size_hw(numbers)} {numbers.dtype}, expected {size_hw(labels)} in 16 bit",
                hint="instance files hold label id * 256 + instance",
            )
        return labels, true_objects(list(counted_things(numbers, STEP, 0)), DRIVING_THINGS)


class KittiSemantic(KittiLabels):
    """KITTI semantics, 19 classes, and the objects of eight of them where `instance` is there.

    Args:
        root: the folder with `training/`.
        split: training.
        strict: see open_dataset.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        (part,) = chosen_split(split, SPLITS, "kitti-semantic")
        root = around(root, part, "data_semantics", "KITTI")
        images = files(root / part / "image_2", IMAGE_SUFFIXES)
        labels = files(root / part / "semantic", (".png",))
        pairs, left_out = pair(images, labels, strict)
        if (root / part / "instance").is_dir():
            pairs, lone = with_objects(pairs, files(root / part / "instance", (".png",)), strict)
            left_out += lone
        super().__init__(pairs, left_out)
