"""Objects in the form that average precision compares: boxes, run lengths, areas, classes by mapping."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.instance import Kind, Regions
from pipeline.rle import encode_crop
from pipeline.types import VOID, Instances, TrueObjects, Truth


def true_objects(truth: Truth) -> TrueObjects | None:
    """The objects of a labelled or a drawn frame; None where nobody marks any."""
    if truth.objects is not None or truth.instances is None:
        return truth.objects
    count = len(truth.instances)
    return TrueObjects(
        instances=truth.instances,
        crowd=np.zeros(count, np.bool_),
        ignore=np.zeros(count, np.bool_),
        area_px=mask_areas(truth.instances),
        ids=np.arange(count, dtype=np.int64),
    )


def mask_areas(instances: Instances) -> NDArray[np.float64]:
    """Pixels of each mask, (n,)."""
    masks = [np.count_nonzero(instances.mask(index)) for index in range(len(instances))]
    return np.array(masks, np.float64)


def shown(instances: Instances, score: float) -> Instances:
    """Those with this score or more; best come first, so that these are the first."""
    count = int(np.count_nonzero(instances.scores >= score))
    return Instances(
        instances.boxes_xyxy[:count],
        instances.scores[:count],
        instances.class_ids[:count],
        instances.crops_px[:count],
        instances.arena[: int(instances.offset[count])],
        instances.offset[: count + 1],
        instances.classes,
    )


def regions(
    kind: Kind,
    instances: Instances,
    to: Sequence[int],
    frame_hw: tuple[int, int],
    truth: TrueObjects | None = None,
    sized_by: Kind | None = None,
) -> Regions:
    """The objects of compared classes.

    Args:
        kind: box or mask.
        instances: found ones, or those of `truth`.
        to: for each class of the instances the compared class, or VOID for none.
        frame_hw: of the picture, pixels.
        truth: says crowd, ignore and area of true objects. A class id below 0 is a region where no object of any
            class is scored.
        sized_by: an object is as large as its box, or as its mask; None: as `truth` says.
    """
    class_ids = np.array([*to, VOID], np.int32)[instances.class_ids]
    rows = np.flatnonzero(class_ids != VOID)
    if truth is not None and (anyone := np.flatnonzero(instances.class_ids < 0)).size:
        # Where objects of no class are scored: a crowd, ignored, of every compared class.
        compared = sorted(set(to) - {VOID})
        class_ids = np.concatenate([class_ids[rows], np.repeat(compared, len(anyone)).astype(np.int32)])
        rows = np.concatenate([rows, np.tile(anyone, len(compared))])
    else:
        class_ids = class_ids[rows]
    if kind == "box":
        boxes = np.concatenate([instances.boxes_xyxy[:, :2].astype(np.float64), _sides(instances)], axis=1)
        shapes: Sequence[object] = boxes[rows].tolist()
    else:
        size = list(frame_hw)
        corners = instances.crops_px[:, :2].tolist()
        shapes = [
            {"size": size, "counts": encode_crop(instances.mask(row), tuple(corners[row]), frame_hw)}
            for row in rows.tolist()
        ]
    return Regions(
        class_ids=class_ids,
        shapes=shapes,
        area_px=(truth.area_px if truth is not None and sized_by is None else _areas(instances, sized_by))[rows],
        scores=instances.scores[rows].astype(np.float64),
        crowd=None if truth is None else truth.crowd[rows] | (instances.class_ids[rows] < 0),
        ignore=None if truth is None else truth.ignore[rows],
    )


def _areas(instances: Instances, sized_by: Kind | None) -> NDArray[np.float64]:
    if sized_by != "box":
        return mask_areas(instances)
    areas: NDArray[np.float64] = _sides(instances).prod(axis=1)
    return areas


def _sides(instances: Instances) -> NDArray[np.float64]:
    """Width and height of each box, (n, 2)."""
    if instances.sides_px is not None:
        return instances.sides_px
    edges = instances.boxes_xyxy.astype(np.float64)
    return np.asarray(edges[:, 2:] - edges[:, :2], np.float64)
