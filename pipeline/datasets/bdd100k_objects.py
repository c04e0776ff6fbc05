"""BDD100K's objects as bitmasks: instance segmentation, panoptic segmentation, and segmentation tracking.

Layouts, 1280x720:
    ins_seg    `{root}/images/10k/{split}/{name}.jpg`, `{root}/labels/ins_seg/bitmasks/{split}/{name}.png`
    pan_seg    the same images, `{root}/labels/pan_seg/bitmasks/{split}/{name}.png`
    seg_track  `{root}/images/seg_track_20/{split}/{film}/{film}-0000001.jpg`, labels of the same names in
               `{root}/labels/seg_track_20/bitmasks/{split}/{film}/`; instances keep their numbers through a film
Yu et al., CVPR 2020, arXiv 1805.04687; bdd100k/common/bitmask.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.bdd100k_labels import (
    LAST_STUFF,
    PANOPTIC,
    PANOPTIC_THINGS,
    SPLITS,
    TERMS,
    THINGS,
    bitmask_objects,
)
from pipeline.datasets.objects import NO_CLASSES, Marked, nothing_said, true_objects
from pipeline.datasets.pairs import IMAGE_SUFFIXES, Pair, Pairs, chosen_split, files, pair
from pipeline.types import VOID, Classes, TrueObjects


class _Bitmasks(Pairs):
    """What the three have in common: where images and bitmasks lie."""

    task: str
    images: str
    deep = False

    def __init__(self, root: Path, split: str, strict: bool, classes: Classes, things: Classes) -> None:
        pairs, left_out = [], []
        for part in chosen_split(split, SPLITS, self.task):
            images = files(root / "images" / self.images / part, IMAGE_SUFFIXES, deep=self.deep)
            folder = "seg_track_20" if self.deep else self.task
            labels = files(root / "labels" / folder / "bitmasks" / part, (".png",), deep=self.deep)
            found, lone = pair(images, labels, strict)
            pairs += found
            left_out += lone
        super().__init__(f"bdd100k-{self.task}", classes, TERMS, pairs, left_out, None, things)


class Bdd100kInstances(_Bitmasks):
    """BDD100K instance segmentation, eight classes; no label maps.

    Args:
        root: the folder with `images/` and `labels/`.
        split: train or val, or both: train+val.
        strict: see open_dataset.

    Raises:
        DataError: see open_dataset.
    """

    task, images = "ins_seg", "10k"

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        super().__init__(root, split, strict, NO_CLASSES, THINGS)

    def _truth(self, pair: Pair) -> tuple[NDArray[np.uint8], TrueObjects]:
        size_hw, found = bitmask_objects(pair.labels, len(THINGS))
        marked = [
            Marked(
                one.category - 1, one.segment.mask, one.segment.crop_px, one.segment.number, one.crowd, one.ignored
            )
            for one in found
        ]
        return nothing_said(size_hw), true_objects(marked, THINGS)


class Bdd100kTracks(Bdd100kInstances):
    """BDD100K segmentation tracking: films at 5 frames a second, classes and arguments as of Bdd100kInstances."""

    task, images, deep = "seg_track", "seg_track_20", True


class Bdd100kPanoptic(_Bitmasks):
    """BDD100K panoptic segmentation: label maps of 40 classes, the last ten of them one by one.

    Args:
        root, split, strict: as of Bdd100kInstances.

    Raises:
        DataError: see open_dataset.
    """

    task, images = "pan_seg", "10k"

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        super().__init__(root, split, strict, PANOPTIC, PANOPTIC_THINGS)

    def _truth(self, pair: Pair) -> tuple[NDArray[np.uint8], TrueObjects]:
        size_hw, found = bitmask_objects(pair.labels, len(PANOPTIC))
        labels = np.full(size_hw, VOID, np.uint8)
        marked = []
        for one in found:
            x0, y0, x1, y1 = one.segment.crop_px
            labels[y0:y1, x0:x1][one.segment.mask != 0] = one.category - 1
            if one.category > LAST_STUFF:
                class_id, (number, mask, crop) = one.category - 1 - LAST_STUFF, one.segment
                marked.append(Marked(class_id, mask, crop, number, one.crowd, one.ignored))
        return labels, true_objects(marked, PANOPTIC_THINGS)
