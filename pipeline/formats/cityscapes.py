"""Cityscapes' results: label ids as PNG, objects as a text file of masks.

`{out}/labels/{name}_pred.png`, and for objects `{out}/instances/{name}_pred.txt` with a line `mask labelId score` for
each, masks as PNG beside it in `masks/`. Both evaluation scripts of cityscapesScripts find these by the image's
name (evalPixelLevelSemanticLabeling.py, evalInstanceLevelSemanticLabeling.py).
"""

from __future__ import annotations

from pipeline.formats.mask_lists import MaskLists, MaskListWriter


class CityscapesWriter(MaskListWriter):
    """Label maps and objects as Cityscapes' server and scripts take them."""

    labels_at, list_at, mask_at = (
        "labels/{name}_pred.png",
        "instances/{name}_pred.txt",
        "instances/masks/{name}_{i:03}.png",
    )


class CityscapesReader(MaskLists):
    """Label maps and objects by anybody: files anywhere in a folder whose names begin with that of an image."""

    note = "mask AP is by COCO's protocol, Cityscapes' AP by that of cityscapesScripts"
    exact = False
