"""Cityscapes' and KITTI's results, both ways: label ids as PNG, objects as text files that name a mask a line."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from pipeline.classes import DRIVING, LABEL_IDS, THINGS
from pipeline.datasets.label_ids import DRIVING_THINGS as CITY_THINGS
from pipeline.datasets.label_ids import TRAIN_ID_OF
from pipeline.datasets.listing import files
from pipeline.datasets.objects import Marked, Segment, segments
from pipeline.errors import DataError, SinkError
from pipeline.formats.base import InFolders, Prediction, digits, write_bytes, write_png
from pipeline.formats.reading import Asked, Benchmark, Reading, found, read_sized
from pipeline.types import Classes, Instances

__all__ = ["CITY_THINGS", "LABEL_ID_OF", "THING_LABEL_IDS", "MaskListWriter", "MaskLists"]

THING_LABEL_IDS = tuple(LABEL_IDS[i] for i in THINGS)
LABEL_ID_OF = np.zeros(256, np.uint8)  # 0 is `unlabeled`
LABEL_ID_OF[: len(LABEL_IDS)] = LABEL_IDS
_LICENSE_PLATE = -1
_NOTHING = Segment(1, np.zeros((0, 0), np.uint8), (0, 0, 0, 0))


class MaskListWriter(InFolders):
    """Writes them where a benchmark looks for them.

    Attributes:
        labels_at, list_at, mask_at: paths among the results; `{name}` is the image's, `{i}` counts its objects.
    """

    labels: ClassVar[Classes | None] = DRIVING
    things: ClassVar[Classes | None] = CITY_THINGS
    scored: ClassVar[bool] = True
    numbered: ClassVar[bool] = False
    labels_at: ClassVar[str]
    list_at: ClassVar[str]
    mask_at: ClassVar[str]

    def add(self, prediction: Prediction) -> None:
        """Write one image's files; the official scripts look for the last part of its name."""
        name = self._names.of(prediction.name)
        if prediction.labels is not None:
            write_png(self._at(self.labels_at.format(name=name)), LABEL_ID_OF[prediction.labels])
        found = prediction.instances
        if found is None:
            return
        if len(name.split()) > 1:
            raise SinkError(
                f"{prediction.name}: a list of masks cannot hold a name with a space: its lines are divided there",
                hint="rename the image",
            )
        listed, lines = self._at(self.list_at.format(name=name)), []
        for i in range(len(found)):
            mask = self._at(self.mask_at.format(name=name, i=i))
            write_png(mask, found.full_mask(i, prediction.size_hw).astype(np.uint8) * 255)
            place = Path(os.path.relpath(mask, listed.parent)).as_posix()
            lines.append(f"{place} {THING_LABEL_IDS[found.class_ids[i]]} {digits(found.scores[i])}\n")
        write_bytes(listed, "".join(lines).encode())

    def _at(self, place: str) -> Path:
        top, _, rest = place.partition("/")
        return self._folder(top) / rest


class MaskLists(Reading):
    """Label maps (PNG) and lists of objects (.txt: mask, label id, score), wherever they are in a folder.

    Args:
        path: the folder.

    Raises:
        DataError: it is not there, or has neither.
    """

    exact = True  # a file is called as its image; else its name begins so

    def __init__(self, path: Path, benchmark: Benchmark) -> None:
        super().__init__()
        lists = files(path, (".txt",), deep=True).values()
        self._named: set[Path] = set()  # masks that a list names, whether they are scored or not
        self._objects = {file: self._lines(file) for file in lists}
        maps = [file for file in files(path, (".png",), deep=True).values() if file.resolve() not in self._named]
        if not maps and not self._objects:
            raise DataError(f"{path} has no predictions", hint="label maps are .png, lists of objects .txt")
        self._maps, self._lists = self._by_name(maps), self._by_name(lists)
        self._all = {*maps, *self._objects}
        self.labels = DRIVING if maps else None
        self.things = CITY_THINGS if self._objects else None

    def find(self, asked: Asked) -> Prediction | None:
        """What the files of an image hold."""
        name = Path(asked.name).name
        path, listed = self._only(self._maps, name), self._only(self._lists, name)
        if path is None and listed is None:
            return None
        read = None if path is None else self._labels(path, TRAIN_ID_OF, asked.size_hw)
        labels, numbers = (None, None) if read is None else read
        objects = None if listed is None else self._found(self._objects[listed], asked.size_hw)
        return Prediction(asked.name, asked.index, asked.size_hw, labels, objects, numbers=numbers)

    def unasked(self) -> list[str]:
        """See Reader."""
        return sorted(file.name for file in self._all)

    def _by_name(self, paths: Iterable[Path]) -> dict[str, list[Path]]:
        """Files by all that their image may be called."""
        table: dict[str, list[Path]] = {}
        for path in paths:
            words = path.stem.split("_")
            for count in range(len(words) if self.exact else 1, len(words) + 1):
                table.setdefault("_".join(words[:count]), []).append(path)
        return table

    def _only(self, table: dict[str, list[Path]], name: str) -> Path | None:
        there = table.get(name, [])
        self._all -= set(there)
        if len(there) > 1:
            self._leave(name, f"{there[0].name} and {there[1].name} are both for it, so neither counts")
        return there[0] if len(there) == 1 else None

    def _lines(self, file: Path) -> list[_Line]:
        """The objects of a list that are scored."""
        lines: dict[Path, _Line] = {}
        text = self._whole(file.name, _text, file)
        for place, line in enumerate((text or "").splitlines(), 1):
            words = line.split()
            if not words:
                continue
            try:
                mask, label_id, score = words[0], int(float(words[1])), float(words[2])
            except (ValueError, OverflowError, IndexError):
                self._leave(file.name, f"line {place} is not of mask, label id and score")
                continue
            place_of_mask = (file.parent / mask).resolve()
            self._named.add(place_of_mask)
            if not math.isfinite(score):
                self._leave(file.name, f"line {place}: its score is no number")
            elif label_id in THING_LABEL_IDS:
                if place_of_mask in lines:
                    self._leave(file.name, f"line {place}: {mask} is named twice: the last counts")
                lines[place_of_mask] = _Line(place_of_mask, THING_LABEL_IDS.index(label_id), score)
            elif label_id not in TRAIN_ID_OF and label_id != _LICENSE_PLATE:
                self._leave(file.name, f"line {place}: unknown class {label_id}")
        return list(lines.values())

    def _found(self, lines: Iterable[_Line], size_hw: tuple[int, int]) -> Instances:
        marked: list[Marked] = []
        scores: list[float] = []
        for mask, class_id, score in lines:
            segment = self._whole(mask.name, _inside, mask, size_hw)
            if segment is not None:
                marked.append(Marked(class_id, segment.mask, segment.crop_px, len(marked)))
                scores.append(score)
        return found(marked, scores, CITY_THINGS)


class _Line(NamedTuple):
    mask: Path
    class_id: int
    score: float


def _inside(mask: Path, size_hw: tuple[int, int]) -> Segment:
    picture = read_sized(mask, size_hw, palette=None)
    return next(segments((picture != 0).astype(np.uint8)), _NOTHING)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as text: {error}", hint="write it again") from error
