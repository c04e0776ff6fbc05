"""BDD100K's objects as bitmasks: instance segmentation, panoptic segmentation, and segmentation tracking.

Layouts, 1280x720:
    ins_seg    `{root}/images/10k/{split}/{name}.jpg`, `{root}/labels/ins_seg/bitmasks/{split}/{name}.png`
    pan_seg    the same images, `{root}/labels/pan_seg/bitmasks/{split}/{name}.png`
    seg_track  `{root}/images/seg_track_20/{split}/{film}/{film}-0000001.jpg`, labels of the same names in
               `{root}/labels/seg_track_20/bitmasks/{split}/{film}/`; instances keep their numbers through a film
Yu et al., CVPR 2020, arXiv 1805.04687; bdd100k/common/bitmask.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.base import LeftOut
from pipeline.datasets.bdd100k_labels import (
    LAST_STUFF,
    PANOPTIC,
    PANOPTIC_THINGS,
    TERMS,
    THINGS,
    bitmask_objects,
    read_panoptic,
)
from pipeline.datasets.bdd100k_places import paired
from pipeline.datasets.objects import NO_CLASSES, Marked, nothing_said, true_objects
from pipeline.datasets.pairs import Pair, Pairs
from pipeline.types import VOID, Panoptic, TrueObjects


class ObjectBitmasks(Pairs):
    """Bitmasks of objects of eight classes; no label maps.

    Args:
        name, pairs, left_out: see Pairs.
    """

    def __init__(self, name: str, pairs: Sequence[Pair], left_out: Sequence[LeftOut]) -> None:
        super().__init__(name, NO_CLASSES, TERMS, pairs, left_out, None, THINGS)

    def _truth(self, pair: Pair) -> tuple[NDArray[np.uint8], TrueObjects]:
        size_hw, found = bitmask_objects(pair.labels, len(THINGS))
        marked = [
            Marked(one.category - 1, one.segment.mask, one.segment.crop_px, one.number, one.crowd, one.ignored)
            for one in found
        ]
        return nothing_said(size_hw), true_objects(marked, THINGS)


class Bdd100kInstances(ObjectBitmasks):
    """BDD100K instance segmentation, eight classes; no label maps.

    Args:
        root: the folder with `images/` and `labels/`.
        split: train or val, or both: train+val.
        strict: see open_dataset.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        name = "bdd100k-ins_seg"
        super().__init__(name, *paired(root, split, strict, name, "10k", "ins_seg/bitmasks"))


class Bdd100kTracks(ObjectBitmasks):
    """BDD100K segmentation tracking: films at 5 frames a second, classes and arguments as of Bdd100kInstances."""

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        name = "bdd100k-seg_track"
        super().__init__(name, *paired(root, split, strict, name, "seg_track_20", "seg_track_20/bitmasks", deep=True))


class PanopticBitmasks(Pairs):
    """Bitmasks of 40 classes, the last ten of them one by one.

    Args:
        pairs, left_out: see Pairs.
    """

    def __init__(self, pairs: Sequence[Pair], left_out: Sequence[LeftOut]) -> None:
        super().__init__("bdd100k-pan_seg", PANOPTIC, TERMS, pairs, left_out, None, PANOPTIC_THINGS)

    def panoptic(self, index: int) -> Panoptic:
        """The segments of an image; DataError where its bitmask is broken."""
        return read_panoptic(self._pairs[index].labels)

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


class Bdd100kPanoptic(PanopticBitmasks):
    """BDD100K panoptic segmentation: label maps of 40 classes, and the objects of the last ten.

    Args:
        root, split, strict: as of Bdd100kInstances.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        super().__init__(*paired(root, split, strict, "bdd100k-pan_seg", "10k", "pan_seg/bitmasks"))
