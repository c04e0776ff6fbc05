"""A scene without some of its classes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import cv2
import numpy as np

from pipeline.types import VOID, Labels, Scene


def without(scene: Scene, hidden: Collection[str]) -> Scene:
    """The same scene, in which some classes were not found; new arrays where that changes anything.

    Args:
        scene: stays as it is.
        hidden: names of classes; those that no network has are nothing.
    """
    labels, found = scene.labels, scene.instances
    if labels is not None:
        gone = [i for i, name in enumerate(labels.classes.names) if name in hidden]
        if gone:
            table = np.arange(256, dtype=np.uint8)
            table[gone] = VOID
            labels = Labels(np.asarray(cv2.LUT(labels.map, table), np.uint8), labels.classes)
    if found is not None:
        kept = [i for i, c in enumerate(found.class_ids.tolist()) if found.classes.names[c] not in hidden]
        if len(kept) < len(found):
            found = found.take(np.array(kept, np.intp))
    return replace(scene, labels=labels, instances=found)
