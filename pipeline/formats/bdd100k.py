"""BDD100K's results: trainIds as PNG, objects as RGBA bitmasks with a JSON of scores.

`{out}/sem_seg/{name}.png`: 0..18, 255 nothing. `{out}/ins_seg/bitmasks/{name}.png`: R category from 1, G flags,
B * 256 + A number of the object. `{out}/ins_seg/scores.json`: a list of Scalabel frames whose labels give `index`
(that number) and `score`. doc.bdd100k.com: Data format, Evaluation. Masks may not overlap: the best keeps a pixel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np

from pipeline.classes import COLOUR_BY_NAME, DRIVING
from pipeline.formats.base import Prediction, exclusive, folder, write_bytes, write_png
from pipeline.types import Classes

_NAMES = ("pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")  # categories 1 to 8
BDD_THINGS = Classes(_NAMES, tuple(COLOUR_BY_NAME[name] for name in _NAMES))


class Bdd100kWriter:
    """Label maps and bitmasks as the bdd100k package evaluates them."""

    labels: ClassVar[Classes | None] = DRIVING
    things: ClassVar[Classes | None] = BDD_THINGS

    def __init__(self, out: Path) -> None:
        self._out = folder(out)
        self._frames: list[dict[str, Any]] = []
        self._made: dict[Path, None] = {}

    def add(self, prediction: Prediction) -> None:
        """Write one image's files; its scores are kept for the end."""
        name = Path(prediction.name).name
        if prediction.labels is not None:
            self._made[self._out / "sem_seg"] = None
            write_png(self._out / "sem_seg" / f"{name}.png", prediction.labels)
        found = prediction.instances
        if found is None:
            return
        owner = exclusive(found, prediction.size_hw)
        categories = np.concatenate([[0], found.class_ids + 1])
        bitmask = np.zeros((*owner.shape, 4), np.uint8)  # B, G, R, A: as OpenCV orders them
        bitmask[..., 0], bitmask[..., 3], bitmask[..., 2] = owner >> 8, owner & 255, categories[owner]
        self._made[self._out / "ins_seg"] = None
        write_png(self._out / "ins_seg" / "bitmasks" / f"{name}.png", bitmask)
        labels = [
            {"id": str(i + 1), "index": i + 1, "score": round(float(score), 6)}
            for i, score in enumerate(found.scores)
        ]
        self._frames.append({"name": f"{name}.jpg", "labels": labels})

    def close(self) -> list[Path]:
        """Write the scores."""
        if self._frames:
            write_bytes(self._out / "ins_seg" / "scores.json", msgspec.json.encode(self._frames))
        return list(self._made)
