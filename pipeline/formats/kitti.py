"""KITTI's semantic and instance results (2015): label ids as PNG, objects as lists of masks.

`{out}/semantic/{name}.png`, `{out}/instance/pred_list/{name}.txt` with a line `../pred_img/{name}_000.png labelId
score` for each object, and those masks in `pred_img/`, as the development kit describes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from pipeline.classes import DRIVING
from pipeline.formats.base import InFolders, Prediction, digits, folder, write_bytes, write_png
from pipeline.formats.cityscapes import LABEL_ID_OF
from pipeline.formats.mask_lists import CITY_THINGS, THING_LABEL_IDS, MaskLists
from pipeline.types import Classes


class KittiWriter(InFolders):
    """Label maps and objects as KITTI's server takes them."""

    labels: ClassVar[Classes | None] = DRIVING
    things: ClassVar[Classes | None] = CITY_THINGS
    scored: ClassVar[bool] = True
    numbered: ClassVar[bool] = False

    def add(self, prediction: Prediction) -> None:
        """Write one image's files."""
        name = Path(prediction.name).name
        if prediction.labels is not None:
            write_png(self._folder("semantic") / f"{name}.png", LABEL_ID_OF[prediction.labels])
        found = prediction.instances
        if found is None:
            return
        where, lines = self._folder("instance"), []
        for i in range(len(found)):
            mask = f"{name}_{i:03}.png"
            write_png(where / "pred_img" / mask, found.full_mask(i, prediction.size_hw).astype(np.uint8) * 255)
            lines.append(f"../pred_img/{mask} {THING_LABEL_IDS[found.class_ids[i]]} {digits(found.scores[i])}\n")
        write_bytes(folder(where / "pred_list") / f"{name}.txt", "".join(lines).encode())


class KittiReader(MaskLists):
    """Label maps and objects by anybody: files anywhere in a folder that are called as their image."""

    note = "AP is by COCO's protocol: KITTI's kit is that of Cityscapes, which leaves out objects under 100 pixels"
