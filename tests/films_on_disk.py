"""Films that tests write as pictures and masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

NAMES = ("red", "green", "blue")
BGR = np.array([(0, 0, 255), (0, 255, 0), (255, 0, 0)], np.uint8)


def painted(root: Path, count: int) -> NDArray[np.uint8]:
    """Images whose squares are red, green or blue, other ones in each image; what is seen, (n, h, w)."""
    seen = []
    for index in range(count):
        cells = np.random.default_rng(index).integers(0, 3, (6, 8))
        ids = np.kron(cells, np.ones((16, 16), int)).astype(np.uint8)
        for folder, picture in (("images", BGR[ids]), ("masks", ids)):
            (root / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(root / folder / f"{index:02}.png"), picture)
        seen.append(ids)
    (root / "classes.txt").write_text("\n".join(NAMES))
    return np.stack(seen)
