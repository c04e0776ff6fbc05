"""CamVid in SegNet's split: 367 train, 101 val and 233 test images of 480x360 with 11 classes.

Layout: `{root}/{train,val,test}/*.png`, labels of the same names in `{root}/{train,val,test}annot/`, numbers
0..10, 11 where nothing is said. Brostow, Fauqueur, Cipolla, Pattern Recognition Letters 30(2), 2009; the split
and the merging of 32 classes into 11: Badrinarayanan, Kendall, Cipolla, arXiv 1511.00561.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from pipeline.datasets.base import LeftOut
from pipeline.datasets.listing import IMAGE_SUFFIXES, around, files
from pipeline.datasets.pairs import Pair, Pairs, chosen_split, id_reader, pair
from pipeline.errors import DataError
from pipeline.types import VOID, Classes

SPLITS = ("train", "val", "test")
TERMS = "academic, non-commercial"
FILMS = ("0001TP", "0006R0", "0016E5", "Seq05VD")  # 0001TP was filmed at dusk, the others by day
CAMVID = Classes(
    ("Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist"),
    (
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
)
_UNLABELLED = 11
_NUMBER = re.compile(r"\d+$")  # of the frame in its film
_FILMED_FPS = 30


def film(name: str) -> str:
    """The film that an image was taken from: `0016E5_07959` -> `0016E5`."""
    return name.partition("_")[0]


class CamVid(Pairs):
    """CamVid, 11 classes.

    Args:
        root: the folder with `train/` and `trainannot/`, or the one around it.
        split: train, val, test, or several such as train+val.
        strict: see open_dataset.
        films: only images of these films; empty: all.
        without_films: no images of these.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        strict: bool = True,
        films: Sequence[str] = (),
        without_films: Sequence[str] = (),
    ) -> None:
        for name in (*films, *without_films):
            if name not in FILMS:
                raise DataError(f"CamVid has no film {name!r}", hint=f"it has {', '.join(FILMS)}")
        parts = chosen_split(split, SPLITS, "camvid")
        root = around(root, parts[0], "CamVid", "camvid")
        pairs: list[Pair] = []
        left_out: list[LeftOut] = []
        for part in parts:
            images, labels = files(root / part, IMAGE_SUFFIXES), files(root / f"{part}annot", (".png",))
            found, lone = pair(images, labels, strict)
            pairs += found
            left_out += lone
        wanted = [p for p in pairs if film(p.name) not in without_films and (not films or film(p.name) in films)]
        if not wanted:
            raise DataError(f"{root}: no image of {split} is of the films asked for", hint="ask for other films")
        ids = {number: number for number in range(len(CAMVID))} | {_UNLABELLED: VOID, VOID: VOID}
        super().__init__("camvid", CAMVID, TERMS, wanted, left_out, id_reader(ids))

    @property
    def fps(self) -> float | None:
        """Frames a second, where the images are one film at even distances (15 for val); else None."""
        numbers = [int(found[0]) for found in map(_NUMBER.search, self.names) if found]
        steps = {later - earlier for earlier, later in pairwise(numbers)}
        even = len(set(self.films)) == 1 and len(steps) == 1 and len(numbers) == len(self)
        return _FILMED_FPS / step if even and (step := steps.pop()) > 0 else None

    @property
    def films(self) -> tuple[str, ...]:
        """The film of each sample, in order."""
        return tuple(film(name) for name in self.names)
