"""KITTI's semantic and instance results (2015): label ids as PNG, objects as lists of masks.

`{out}/semantic/{name}.png`, `{out}/instance/pred_list/{name}.txt` with a line `../pred_img/{name}_000.png labelId
score` for each object, and those masks in `pred_img/`, as the development kit describes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from pipeline.classes import DRIVING
from pipeline.formats.base import Prediction, folder, write_bytes, write_png
from pipeline.formats.cityscapes import CITY_THINGS, LABEL_ID_OF, THING_LABEL_IDS
from pipeline.types import Classes


class KittiWriter:
    """Label maps and objects as KITTI's server takes them."""

    labels: ClassVar[Classes | None] = DRIVING
    things: ClassVar[Classes | None] = CITY_THINGS

    def __init__(self, out: Path) -> None:
        self._out = folder(out)
        self._made: dict[Path, None] = {}

    def add(self, prediction: Prediction) -> None:
        """Write one image's files."""
        name = Path(prediction.name).name
        if prediction.labels is not None:
            self._made[self._out / "semantic"] = None
            write_png(self._out / "semantic" / f"{name}.png", LABEL_ID_OF[prediction.labels])
        found = prediction.instances
        if found is None:
            return
        where, lines = self._out / "instance", []
        self._made[where] = None
        for i in range(len(found)):
            mask = f"{name}_{i:03}.png"
            write_png(where / "pred_img" / mask, found.full_mask(i, prediction.size_hw).astype(np.uint8) * 255)
            lines.append(f"../pred_img/{mask} {THING_LABEL_IDS[found.class_ids[i]]} {found.scores[i]:.6f}\n")
        write_bytes(folder(where / "pred_list") / f"{name}.txt", "".join(lines).encode())

    def close(self) -> list[Path]:
        """Everything is written already."""
        return list(self._made)
