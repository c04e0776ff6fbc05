"""KITTI's semantic and instance results (2015): label ids as PNG, objects as lists of masks.

`{out}/semantic/{name}.png`, `{out}/instance/pred_list/{name}.txt` with a line `../pred_img/{name}_000.png labelId
score` for each object, and those masks in `pred_img/`, as the development kit describes them.
"""

from __future__ import annotations

from pipeline.formats.mask_lists import MaskLists, MaskListWriter


class KittiWriter(MaskListWriter):
    """Label maps and objects as KITTI's server takes them."""

    labels_at, list_at, mask_at = (
        "semantic/{name}.png",
        "instance/pred_list/{name}.txt",
        "instance/pred_img/{name}_{i:03}.png",
    )


class KittiReader(MaskLists):
    """Label maps and objects by anybody: files anywhere in a folder that are called as their image."""

    note = "AP is by COCO's protocol: KITTI's kit is that of Cityscapes, which leaves out objects under 100 pixels"
