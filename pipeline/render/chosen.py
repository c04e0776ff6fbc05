"""A scene without some of its classes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import cv2
import numpy as np

from pipeline.types import VOID, Instances, Labels, Scene


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
            found = _only(found, kept)
    return replace(scene, labels=labels, instances=found)


def _only(found: Instances, kept: list[int]) -> Instances:
    masks = [found.arena[found.offset[i] : found.offset[i + 1]] for i in kept]
    return Instances(
        boxes_xyxy=found.boxes_xyxy[kept].reshape(-1, 4),
        scores=found.scores[kept],
        class_ids=found.class_ids[kept],
        crops_px=found.crops_px[kept].reshape(-1, 4),
        arena=np.concatenate([*masks, np.zeros(0, np.uint8)]),
        offset=np.cumsum([0, *(mask.size for mask in masks)], dtype=np.int64),
        classes=found.classes,
    )
