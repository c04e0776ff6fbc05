"""DAVIS: films of one or several objects, each followed pixel by pixel.

Layout: `{root}/JPEGImages/480p/{film}/00000.jpg`, `{root}/Annotations/480p/{film}/00000.png` with palette indices: 0
background, objects from 1, 255 not scored; the films of a split in `{root}/ImageSets/2017/{split}.txt`. The masks of
2016 hold 0 and 255: one object. Pont-Tuset et al., arXiv 1704.00675; davis-2017, davis2017/davis.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.base import LeftOut
from pipeline.datasets.decoding import read_ids
from pipeline.datasets.listing import IMAGE_SUFFIXES, around, files
from pipeline.datasets.name_lists import read_names
from pipeline.datasets.objects import Marked, segments, true_objects
from pipeline.datasets.pairs import Pair, Pairs, pair
from pipeline.errors import DataError
from pipeline.types import VOID, Classes, TrueObjects

TERMS = "CC BY-NC 4.0, non-commercial"
YEARS = ("2016", "2017")
SEMI_SUPERVISED, UNSUPERVISED = "semi-supervised", "unsupervised"
DAVIS = Classes(("background", "object"), ((0, 0, 0), (128, 0, 0)))
THINGS = Classes(("object",), ((128, 0, 0),))


class DavisMasks(Pairs):
    """Masks, two classes, and the objects in them.

    Args:
        pairs, left_out: see Pairs.
        single: every number but 0 is the same object.
    """

    def __init__(self, pairs: Sequence[Pair], left_out: Sequence[LeftOut], single: bool = False) -> None:
        super().__init__("davis", DAVIS, TERMS, pairs, left_out, None, THINGS)
        self._single = single

    def _truth(self, pair: Pair) -> tuple[NDArray[np.uint8], TrueObjects]:
        numbers = np.asarray(read_ids(pair.labels, palette=None), np.uint16)
        if self._single:
            numbers = (numbers != 0).astype(np.uint16)
        labels = np.where(numbers == VOID, VOID, numbers != 0).astype(np.uint8)
        marked = [
            Marked(0, segment.mask, segment.crop_px, segment.number)
            for segment in segments(numbers)
            if segment.number != VOID
        ]
        return labels, true_objects(marked, THINGS)


class Davis(DavisMasks):
    """DAVIS, two classes, and the objects, which have no class and keep their numbers through a film.

    Args:
        root: the folder with `JPEGImages/`, or the one around it.
        split: train, val or another list of ImageSets.
        strict: see open_dataset.
        year: 2017, or 2016 for one object a film.
        resolution: 480p, Full-Resolution or 1080p, as the folders are called.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(
        self, root: Path, split: str, strict: bool = True, year: str = "2017", resolution: str = "480p"
    ) -> None:
        if str(year) not in YEARS:
            raise DataError(f"davis has no year {year}", hint=f"it has {' and '.join(YEARS)}")
        root = around(root, "JPEGImages", "DAVIS")
        films = films_of(root, split, str(year), resolution)
        pairs: list[Pair] = []
        left_out: list[LeftOut] = []
        for film in films:
            images = files(root / "JPEGImages" / resolution / film, IMAGE_SUFFIXES)
            labels = files(root / "Annotations" / resolution / film, (".png",))
            found, lone = pair(images, labels, strict)
            pairs += [one._replace(name=f"{film}/{one.name}") for one in found]
            left_out += [LeftOut(f"{film}/{one.name}", one.reason) for one in lone]
        super().__init__(pairs, left_out, single=str(year) == "2016")


def films_of(root: Path, split: str, year: str = "2017", resolution: str = "480p") -> list[str]:
    """The films of a split; DataError where there is no such list."""
    lists = root / "ImageSets" / year
    if year == "2016" and not lists.is_dir():  # the first edition lists pairs of paths
        path = root / "ImageSets" / resolution
        words = [Path(name).parent.name for name in read_names(path, split)]
        return list(dict.fromkeys(words))
    if year == "2017" and not lists.is_dir() and (root / "ImageSets" / resolution).is_dir():
        raise DataError(f"{lists} is not there", hint="this is the edition of one object a film: say year=2016")
    return read_names(lists, split)
