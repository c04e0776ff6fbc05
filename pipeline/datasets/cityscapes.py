"""Cityscapes: 2975 train, 500 val and 1525 test images of 2048x1024 with fine labels; 19 classes are scored.

Layout: `{root}/leftImg8bit/{split}/{city}/{city}_{sequence}_{frame}_leftImg8bit.png` and
`{root}/gtFine/{split}/{city}/{city}_{sequence}_{frame}_gtFine_labelIds.png`; the labels of test are blank.
Where labelIds are not there, the labelTrainIds that the official scripts make of them are read.
Coarse labels are in `gtCoarse/` and called so, of train, val and 19998 more images, `train_extra`.
Objects: `instanceIds` of 16 bit, label id * 1000 + instance; a group that was not told apart has its label id alone.
Cordts et al., CVPR 2016, arXiv 1604.01685; ids of cityscapesScripts, helpers/labels.py.
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
from pipeline.types import VOID, TrueObjects

SPLITS = ("train", "val", "test")
COARSE_SPLITS = ("train", "val", "train_extra")
TERMS = "Cityscapes: non-commercial research and teaching"
STEP = 1000


class CityscapesLabels(Pairs):
    """Label files, and files of objects where the pairs have them.

    Args:
        pairs, left_out: see Pairs.
        train_ids: the label files hold trainIds, not label ids.
    """

    def __init__(self, pairs: Sequence[Pair], left_out: Sequence[LeftOut], train_ids: bool) -> None:
        ids = {number: number for number in range(len(DRIVING))} | {VOID: VOID} if train_ids else TRAIN_ID_OF
        things = DRIVING_THINGS if any(pair.objects for pair in pairs) else None
        super().__init__("cityscapes", DRIVING, TERMS, pairs, left_out, id_reader(ids), things)

    def _truth(self, pair: Pair) -> tuple[NDArray[np.uint8], TrueObjects | None]:
        labels = self._labels(pair)
        if pair.objects is None:
            return labels, None
        numbers = read_ids(pair.objects)  # of 8 bit where an image has no object but groups
        if numbers.shape != labels.shape:
            raise DataError(
                f"{pair.objects} is {size_hw(numbers)}, its labels {pair.labels.name} {size_hw(labels)}",
                hint="they belong to the same image",
            )
        return labels, true_objects(list(counted_things(numbers, STEP, STEP)), DRIVING_THINGS)

    def numbers(self, index: int) -> NDArray[np.integer] | None:
        """(h, w) instanceIds of an image as they are stored; None where it has no such file."""
        objects = self._pairs[index].objects
        return None if objects is None else read_ids(objects)


class Cityscapes(CityscapesLabels):
    """Cityscapes, 19 classes, and the objects of eight of them where instanceIds are there.

    Args:
        root: the folder with `leftImg8bit/` and `gtFine/`, or with folders called as the archives around them.
        split: train, val or test, of coarse labels train, val or train_extra; or several such as train+val.
        strict: see open_dataset.
        coarse: the coarse labels.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True, coarse: bool = False) -> None:
        pairs: list[Pair] = []
        left_out: list[LeftOut] = []
        kind = "gtCoarse" if coarse else "gtFine"
        parts = chosen_split(split, COARSE_SPLITS if coarse else SPLITS, f"cityscapes, {kind},")
        label_root = around(root, f"{kind}/{parts[0]}", f"{kind}_trainvaltest", kind) / kind
        tables = [label_files(label_root / part, "labelIds", kind) for part in parts]
        train_ids = not any(tables)
        if train_ids:
            tables = [label_files(label_root / part, "labelTrainIds", kind) for part in parts]
        for part, labels in zip(parts, tables, strict=True):
            archives = ("leftImg8bit_trainvaltest", "leftImg8bit_trainextra")
            image_root = around(root, f"leftImg8bit/{part}", *archives) / "leftImg8bit"
            images = files(image_root / part, IMAGE_SUFFIXES, "_leftImg8bit", deep=True)
            found, lone = pair(images, labels, strict)
            pairs += found
            left_out += lone
        marked: dict[str, Path] = {}
        for part in parts:
            marked |= label_files(label_root / part, "instanceIds", kind)
        if marked:
            pairs, lone = with_objects(pairs, marked, strict)
            left_out += lone
        super().__init__(pairs, left_out, train_ids)


def label_files(folder: Path, kind: str, labels: str = "gtFine") -> dict[str, Path]:
    """The label files of a kind, such as labelIds, by the names of their images; DataError if there is no folder."""
    return files(folder, (".png",), f"_{labels}_{kind}", deep=True)
