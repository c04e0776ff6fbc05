"""KITTI MOTS' results: a text file a sequence, `{out}/{sequence}.txt`, a line `frame id class h w rle` an object.

Classes 1 car, 2 pedestrian; id = class * 1000 + number. Masks may not overlap: the best score keeps a pixel
(Voigtlaender et al. 2019, arXiv 1902.03604; the toolkit mots_tools). Where objects are numbered over time, a number
is that of an object, in its class from 0 on as they appear, and those without one are left out. Else numbers count
the objects of a class within a frame, best score first: one number in two frames does not mean one object.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar

from pipeline.datasets.kitti_mots import THINGS as MOTS_THINGS
from pipeline.errors import SinkError
from pipeline.formats.base import Prediction, exclusive, write_bytes
from pipeline.formats.mots_reading import MotsReader
from pipeline.rle import encode_crop
from pipeline.types import Classes

__all__ = ["MotsReader", "MotsWriter"]

_STEP = 1000


class MotsWriter:
    """Objects as mots_tools reads them."""

    labels: ClassVar[Classes | None] = None
    things: ClassVar[Classes | None] = MOTS_THINGS
    scored: ClassVar[bool] = False
    numbered: ClassVar[bool] = False

    def __init__(self, out: Path) -> None:
        self._out = out
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
