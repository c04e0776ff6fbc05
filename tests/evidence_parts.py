"""Objects that conditions are true of."""

from __future__ import annotations

import numpy as np

from pipeline.types import Classes, Instances

CLASSES = Classes(("person", "car"), ((220, 20, 60), (0, 0, 142)))


def found(*boxes: tuple[int, int, int, int], score: float = 0.9, class_id: int = 0) -> Instances:
    crops = np.array(boxes, np.int32).reshape(-1, 4)
    areas = [(y1 - y0) * (x1 - x0) for x0, y0, x1, y1 in crops.tolist()]
    return Instances(
        crops.astype(np.float32),
        np.full(len(boxes), score, np.float32),
        np.full(len(boxes), class_id, np.int32),
        crops,
        np.full(sum(areas), 255, np.uint8),
        np.cumsum([0, *areas]),
        CLASSES,
    )
