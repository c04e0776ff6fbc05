"""Cityscapes' results: label ids as PNG, objects as a text file of masks.

`{out}/labels/{name}_pred.png`, and for objects `{out}/instances/{name}_pred.txt` with a line `mask labelId score` for
each, masks as PNG beside it in `masks/`. Both evaluation scripts of cityscapesScripts find these by the image's
name (evalPixelLevelSemanticLabeling.py, evalInstanceLevelSemanticLabeling.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from pipeline.classes import DRIVING, LABEL_IDS
from pipeline.formats.base import InFolders, Prediction, digits, write_bytes, write_png
from pipeline.formats.mask_lists import CITY_THINGS, THING_LABEL_IDS, MaskLists
from pipeline.types import Classes

LABEL_ID_OF = np.zeros(256, np.uint8)  # 0 is `unlabeled`
LABEL_ID_OF[: len(LABEL_IDS)] = LABEL_IDS


class CityscapesWriter(InFolders):
    """Label maps and objects as Cityscapes' server and scripts take them."""

    labels: ClassVar[Classes | None] = DRIVING
    things: ClassVar[Classes | None] = CITY_THINGS
    scored: ClassVar[bool] = True
    numbered: ClassVar[bool] = False

    def add(self, prediction: Prediction) -> None:
        """Write one image's files; the scripts look for the last part of its name."""
        name = Path(prediction.name).name
        if prediction.labels is not None:
            write_png(self._folder("labels") / f"{name}_pred.png", LABEL_ID_OF[prediction.labels])
        found = prediction.instances
        if found is None:
            return
        where, lines = self._folder("instances"), []
        for i in range(len(found)):
            mask = Path("masks") / f"{name}_{i:03}.png"
            write_png(where / mask, found.full_mask(i, prediction.size_hw).astype(np.uint8) * 255)
            lines.append(f"{mask} {THING_LABEL_IDS[found.class_ids[i]]} {digits(found.scores[i])}\n")
        write_bytes(where / f"{name}_pred.txt", "".join(lines).encode())


class CityscapesReader(MaskLists):
    """Label maps and objects by anybody: files anywhere in a folder whose names begin with that of an image."""

    note = "AP is by COCO's protocol: cityscapesScripts leaves out objects under 100 pixels and weighs ignored ground"
    exact = False
