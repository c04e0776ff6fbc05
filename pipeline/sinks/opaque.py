"""Pictures for files that have no transparency."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.image import Image


def opaque(image: Image) -> NDArray[np.uint8]:
    """The picture as (h, w, 3) BGR, what is transparent as black. Read only.

    Leaving the alpha out would show what it hides.
    """
    if image.format != "bgra32":
        return image.bgr()
    alpha = cv2.cvtColor(cv2.extractChannel(image.planes[0], 3), cv2.COLOR_GRAY2BGR)
    return np.asarray(cv2.multiply(image.bgr(), alpha, scale=1 / 255), np.uint8)
