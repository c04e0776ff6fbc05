"""Keep some classes of a picture and nothing else."""

from __future__ import annotations

from collections.abc import Collection

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.render.canvas import Canvas
from pipeline.render.colours import Rgb
from pipeline.types import Scene

U8 = NDArray[np.uint8]


def kept_alpha(scene: Scene, names: Collection[str]) -> U8:
    """How much of each pixel is kept, (h, w) 0..255: all instances and labelled pixels of some classes.

    The edge is softened inwards: where no mask says so, nothing is kept.
    """
    height, width = scene.frame.image.size_hw
    kept = np.zeros((height, width), np.uint8)
    if scene.labels is not None:
        table = np.zeros(256, np.uint8)
        table[[i for i, name in enumerate(scene.labels.classes.names) if name in names]] = 255
        cv2.LUT(scene.labels.map, table, kept)
    if (found := scene.instances) is not None:
        for i, (class_id, crop) in enumerate(zip(found.class_ids.tolist(), found.crops_px.tolist(), strict=True)):
            x0, y0, x1, y1 = crop
            if found.classes.names[class_id] in names and x1 > x0 and y1 > y0:
                part = kept[y0:y1, x0:x1]
                cv2.bitwise_or(part, found.mask(i), part)
    return np.asarray(cv2.min(kept, cv2.blur(kept, (3, 3))), np.uint8)


def put_ground(canvas: Canvas, alpha: U8, ground: Rgb) -> None:
    """Replace what is not kept by a colour: out = picture * alpha + ground * (1 - alpha)."""
    alphas = {False: alpha}
    if any(canvas.halved):
        height, width = alpha.shape
        quarter = cv2.resize(alpha, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        alphas[True] = np.asarray(quarter, np.uint8)
    for plane, half, value in zip(canvas.planes, canvas.halved, canvas.palette(ground), strict=True):
        cv2.multiply(plane, alphas[half], plane, 1 / 255)
        cv2.add(plane, cv2.convertScaleAbs(alphas[half], None, -value / 255, value), plane)
