"""KITTI MOTS' results: a text file a sequence, `{out}/{sequence}.txt`, a line `frame id class h w rle` an object.

Classes 1 car, 2 pedestrian; id = class * 1000 + number. Masks may not overlap: the best score keeps a pixel
(Voigtlaender et al. 2019, arXiv 1902.03604; the toolkit mots_tools). Numbers count the objects of a class within a
frame, best score first: without tracking, one number in two frames does not mean one object.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar

from pipeline.classes import COLOUR_BY_NAME
from pipeline.formats.base import Prediction, exclusive, folder, write_bytes
from pipeline.rle import encode_crop
from pipeline.types import Classes

_NAMES = ("car", "pedestrian")
MOTS_THINGS = Classes(_NAMES, tuple(COLOUR_BY_NAME[name] for name in _NAMES))


class MotsWriter:
    """Objects as mots_tools reads them."""

    labels: ClassVar[Classes | None] = None
    things: ClassVar[Classes | None] = MOTS_THINGS

    def __init__(self, out: Path) -> None:
        self._out = folder(out)
        self._lines: dict[str, list[str]] = {}

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
            number = (class_id + 1) * 1000 + numbers[class_id]
            numbers[class_id] += 1
            counts = encode_crop(own, (x0, y0), prediction.size_hw)
            lines.append(f"{frame} {number} {class_id + 1} {height} {width} {counts}\n")

    def close(self) -> list[Path]:
        """Write a file a sequence."""
        files = []
        for sequence, lines in self._lines.items():
            files.append(self._out / f"{sequence}.txt")
            write_bytes(files[-1], "".join(lines).encode())
        return files
