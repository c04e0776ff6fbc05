"""KITTI MOTS and MOTSChallenge: cars and pedestrians followed through films, pixel by pixel.

Layout: images in `{root}/training/image_02/{sequence}/000000.png` (or `{root}/train/images/`), objects beside them in
`instances/{sequence}/000000.png`, 16 bit, class * 1000 + instance, or in `instances_txt/{sequence}.txt`, lines of
`frame id class height width rle`. 1 is a car, 2 a pedestrian, 10 a region that is not scored. Val is the sequences
that TrackR-CNN chose. Voigtlaender et al., CVPR 2019, arXiv 1902.03604; mots_tools, mots_common/io.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.base import SPARE, LeftOut
from pipeline.datasets.decoding import read_ids, read_image
from pipeline.datasets.listing import IMAGE_SUFFIXES, files, folders
from pipeline.datasets.mots_lines import MotsLine, apart, read_mots
from pipeline.datasets.objects import ANY_CLASS, NO_CLASSES, Marked, nothing_said, segments, true_objects
from pipeline.datasets.pairs import Pair, Pairs, chosen_split
from pipeline.errors import DataError
from pipeline.types import Classes, TrueObjects

SPLITS = ("training", "train", "val")
VAL = frozenset(("0002", "0006", "0007", "0008", "0010", "0013", "0014", "0016", "0018"))
TERMS = "CC BY-NC-SA 3.0, non-commercial"
THINGS = Classes(("car", "pedestrian"), ((0, 0, 142), (220, 20, 60)))
CLASS_OF = {1: 0, 2: 1, 10: ANY_CLASS}
STEP = 1000
Lines = dict[str, dict[int, list[MotsLine]]]


class _Place(NamedTuple):
    images: Path
    pngs: Path
    txts: Path


class MotsObjects(Pairs):
    """Objects of frames, from PNGs or from lines of text.

    Args:
        pairs: called `sequence/frame`; the labels of those from text end in .txt.
        left_out: see Pairs.
        lines: sequence -> frame -> its objects, for those from text.
    """

    def __init__(self, pairs: Sequence[Pair], left_out: Sequence[LeftOut], lines: Lines) -> None:
        super().__init__("kitti-mots", NO_CLASSES, TERMS, pairs, left_out, None, THINGS)
        self._lines = lines

    def _size(self, pair: Pair) -> tuple[int, int]:
        """Height and width of a frame of which no line says it."""
        height, width = read_image(pair.image).shape[:2]
        return height, width

    def _truth(self, pair: Pair) -> tuple[NDArray[np.uint8], TrueObjects]:
        if pair.labels.suffix == ".txt":
            return self._from_lines(pair)
        numbers = read_ids(pair.labels)
        marked = []
        for segment in segments(numbers):
            kind = segment.number // STEP
            if kind not in CLASS_OF:
                raise DataError(
                    f"{pair.labels}: object {segment.number} is of an unknown class {kind}",
                    hint="numbers are class * 1000 + instance; 1 is a car, 2 a pedestrian, 10 is not scored",
                )
            ignored = CLASS_OF[kind] == ANY_CLASS
            marked.append(Marked(CLASS_OF[kind], segment.mask, segment.crop_px, segment.number, ignore=ignored))
        return nothing_said((numbers.shape[0], numbers.shape[1])), true_objects(marked, THINGS)

    def _from_lines(self, pair: Pair) -> tuple[NDArray[np.uint8], TrueObjects]:
        sequence, _, frame = pair.name.partition("/")
        if not frame.isdecimal():
            raise DataError(f"{pair.image}: a frame's name is its number", hint="such as 000000.png")
        lines = self._lines[sequence].get(int(frame), [])
        if not lines:
            return nothing_said(self._size(pair)), true_objects([], THINGS)
        marked = []
        for line, (mask, crop) in zip(lines, apart(lines, f"{pair.labels}: frame {int(frame)}"), strict=True):
            class_id = CLASS_OF[line.kind]
            marked.append(Marked(class_id, mask, crop, line.number, ignore=class_id == ANY_CLASS))
        return nothing_said(lines[0].size), true_objects(marked, THINGS)


class KittiMots(MotsObjects):
    """Frames with objects whose ids stay the same through a film; regions that are not scored have class -1.

    Args:
        root: the folder with `training/`, or that folder itself.
        split: training (all sequences), train or val.
        strict: see open_dataset.
        txt: read `instances_txt`, not the PNGs of `instances`.

    Raises:
        DataError: see open_dataset; masks that overlap, an id twice in a frame, an unknown class.
    """

    def __init__(self, root: Path, split: str, strict: bool = True, txt: bool = False) -> None:
        (part,) = chosen_split(split, SPLITS, "kitti-mots")
        place, own_split = _place(root, part)
        sequences = folders(place.images)
        if not own_split and part != "training":
            sequences = [name for name in sequences if (name in VAL) == (part == "val")]
        pairs: list[Pair] = []
        left_out: list[LeftOut] = []
        lines: Lines = {}
        for sequence in sequences:
            images = files(place.images / sequence, IMAGE_SUFFIXES)
            if txt:
                path = place.txts / f"{sequence}.txt"
                try:
                    lines[sequence] = read_mots(path)
                except DataError as error:
                    if strict:
                        raise
                    left_out += [LeftOut(f"{sequence}/{image.name}", error.message) for image in images.values()]
                    continue
                labels = dict.fromkeys(images, path)
            else:
                labels = files(place.pngs / sequence, (".png",)) if (place.pngs / sequence).is_dir() else {}
            lone = [path for name, path in images.items() if name not in labels]
            lone += [path for name, path in labels.items() if name not in images]
            if lone and strict:
                raise DataError(
                    f"{place.images / sequence}: {len(lone)} frames without objects, or objects without a frame: "
                    f"{lone[0].name}",
                    hint=f"complete the data set, {SPARE}",
                )
            left_out += [LeftOut(f"{sequence}/{path.name}", "without its partner") for path in lone]
            pairs += [Pair(f"{sequence}/{n}", path, labels[n]) for n, path in images.items() if n in labels]
        if not pairs:
            raise DataError(f"{place.images}: no frames of split {split}", hint="it needs a folder for each sequence")
        super().__init__(pairs, left_out, lines)


def _place(root: Path, part: str) -> tuple[_Place, bool]:
    """Where the folders are, and whether they are of that split alone."""
    inner = root / part
    if (inner / "images").is_dir():
        return _Place(inner / "images", inner / "instances", inner / "instances_txt"), True
    for base in (root / "training", root):
        if (base / "image_02").is_dir():
            known = [folder for folder in (base, root) if (folder / "instances").is_dir()]
            texts = [folder for folder in (base, root) if (folder / "instances_txt").is_dir()]
            return _Place(
                base / "image_02",
                (known or [base])[0] / "instances",
                (texts or [base])[0] / "instances_txt",
            ), False
    raise DataError(f"{root / 'training' / 'image_02'} is not there", hint="give the folder with `training/`")
