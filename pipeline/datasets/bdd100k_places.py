"""Where BDD100K's images and labels lie: `{root}/images/...` and files of the same names in `{root}/labels/...`."""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.base import LeftOut
from pipeline.datasets.bdd100k_labels import SPLITS
from pipeline.datasets.listing import IMAGE_SUFFIXES, around, files
from pipeline.datasets.pairs import Pair, chosen_split, pair


def paired(
    root: Path, split: str, strict: bool, name: str, images: str, labels: str, deep: bool = False
) -> tuple[list[Pair], list[LeftOut]]:
    """The pairs of a split, and what has no partner.

    Args:
        root: the folder with `images/` and `labels/`, or the one around it, `bdd100k/`.
        split: train or val, or both: train+val.
        strict: a lone image or label is an error.
        name: of the data set, for messages.
        images, labels: folders in `images/` and `labels/`, around that of the split.
        deep: the split holds folders, one for each film.

    Raises:
        DataError: no such split, a missing folder, files that do not pair.
    """
    root = around(root, "images", "bdd100k")
    pairs, left_out = [], []
    for part in chosen_split(split, SPLITS, name):
        found, lone = pair(
            files(root / "images" / images / part, IMAGE_SUFFIXES, deep=deep),
            files(root / "labels" / labels / part, (".png",), deep=deep),
            strict,
        )
        pairs += found
        left_out += lone
    return pairs, left_out
