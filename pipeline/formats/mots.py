"""KITTI MOTS' results: a text file a sequence, `{out}/{sequence}.txt`, a line `frame id class h w rle` an object.

Classes 1 car, 2 pedestrian; id = class * 1000 + number. Masks may not overlap: the best score keeps a pixel
(Voigtlaender et al. 2019, arXiv 1902.03604; the toolkit mots_tools). Where objects are numbered over time, a number
is that of an object, in its class from 0 on as they appear, and those without one are left out. Else numbers count
the objects of a class within a frame, best score first: one number in two frames does not mean one object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pipeline.datasets.kitti_mots import THINGS as MOTS_THINGS
from pipeline.datasets.mots_lines import MotsLine, apart, read_mots
from pipeline.datasets.objects import Marked, Mask
from pipeline.datasets.pairs import files
from pipeline.errors import DataError, SinkError
from pipeline.formats.base import Prediction, exclusive, folder, write_bytes
from pipeline.formats.reading import Asked, Benchmark, Reading, found, wrong_size
from pipeline.rle import encode_crop
from pipeline.types import Classes

_STEP = 1000


class MotsWriter:
    """Objects as mots_tools reads them."""

    labels: ClassVar[Classes | None] = None
    things: ClassVar[Classes | None] = MOTS_THINGS
    scored: ClassVar[bool] = False
    numbered: ClassVar[bool] = False

    def __init__(self, out: Path) -> None:
        self._out = folder(out)
        self._lines: dict[str, list[str]] = {}
        self._numbers: dict[tuple[str, int], dict[int, int]] = {}  # film and class -> track -> number

    def add(self, prediction: Prediction) -> None:
        """Keep one image's lines; its sequence is the folder in its name, `0002/000017`, or `0000`."""
        name = Path(prediction.name)
        lines = self._lines.setdefault(name.parent.name or "0000", [])
        frame = int(name.name) if name.name.isdecimal() else prediction.index
        found = prediction.instances
        if found is None:
            return
        owner = exclusive(found, prediction.size_hw)
        height, width = prediction.size_hw
        numbers: Counter[int] = Counter()
        for i, class_id in enumerate(found.class_ids.tolist()):
            x0, y0, x1, y1 = found.crops_px[i].tolist()
            own = owner[y0:y1, x0:x1] == i + 1
            if not own.any():
                continue
            if found.track_ids is None:
                number = numbers[class_id]
                numbers[class_id] += 1
            elif track := int(found.track_ids[i]):
                number = self._number(name.parent.name, class_id, track)
            else:
                continue
            number += (class_id + 1) * _STEP
            counts = encode_crop(own, (x0, y0), prediction.size_hw)
            lines.append(f"{frame} {number} {class_id + 1} {height} {width} {counts}\n")

    def _number(self, sequence: str, class_id: int, track: int) -> int:
        """The number in its class of an object that is followed, from 0 on."""
        known = self._numbers.setdefault((sequence, class_id), {})
        number = known.setdefault(track, len(known))
        if number >= _STEP:
            raise SinkError(
                f"more than {_STEP} objects of the class {MOTS_THINGS.names[class_id]} in a film, "
                "for which MOTS has no numbers",
                hint="export fewer frames, or only surer objects with --conf",
            )
        return number

    def close(self) -> list[Path]:
        """Write a file a sequence."""
        files = []
        for sequence, lines in self._lines.items():
            files.append(self._out / f"{sequence}.txt")
            write_bytes(files[-1], "".join(lines).encode())
        return files


class MotsReader(Reading):
    """Text files by anybody, one a sequence.

    Args:
        path: the folder of the files, or the file of the only sequence.

    Raises:
        DataError: there is none.
    """

    things = MOTS_THINGS
    note = "every object has the score 1: AP says how well frames are found, not objects followed (sMOTSA does)"

    def __init__(self, path: Path, benchmark: Benchmark) -> None:
        super().__init__()
        there = files(path, (".txt",), deep=True) if path.is_dir() else {path.stem: path}
        if not there:
            raise DataError(f"{path} has no predictions", hint="a text file for each sequence, such as 0002.txt")
        self._files = {Path(name).name: file for name, file in there.items()}
        self._lines = {name: self._whole(file.name, read_mots, file) for name, file in self._files.items()}
        self._rest = {(name, frame) for name, frames in self._lines.items() for frame in frames or ()}

    def find(self, asked: Asked) -> Prediction | None:
        """The lines of a frame `sequence/000017`; a frame without any has nothing found in it."""
        name = Path(asked.name)
        sequence, frame = name.parent.name, int(name.name)
        frames = self._lines.get(sequence)
        if frames is None:
            return None
        self._rest.discard((sequence, frame))
        where = f"frame {frame}"
        lines = [line for line in frames.get(frame, ()) if line.kind <= len(MOTS_THINGS)]
        masks = self._whole(self._files[sequence].name, _masks, lines, where, asked.size_hw) or []
        marked = [
            Marked(line.kind - 1, mask, crop, line.number)
            for line, (mask, crop) in zip(lines, masks, strict=bool(masks))
        ]
        objects = found(marked, [1.0] * len(marked), MOTS_THINGS)
        return Prediction(asked.name, asked.index, asked.size_hw, None, objects)

    def unasked(self) -> list[str]:
        """See Reader."""
        return [f"{sequence}.txt: frame {frame}" for sequence, frame in sorted(self._rest)]


def _masks(lines: Sequence[MotsLine], where: str, size_hw: tuple[int, int]) -> list[Mask]:
    if lines and lines[0].size != size_hw:
        raise wrong_size(Path(where), lines[0].size, size_hw)
    return apart(lines, where)
