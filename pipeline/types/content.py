"""What is in a picture: as a network finds it, and as it is in truth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

VOID = 255  # a pixel without a class, in every label map


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of a model or a data set: index i has names[i] and colours[i] (R, G, B)."""

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Instances:
    """The objects of one frame, in source pixels, best score first.

    Masks are kept as crops in one packed arena: mask i covers the pixels
    [y0, y1) x [x0, x1) of crops_px[i] = (x0, y0, x1, y1) and is 255 inside, 0 outside.
    """

    boxes_xyxy: NDArray[np.floating]  # (n, 4) source pixels, float32 (from files float64); edges: width = x1 - x0
    scores: NDArray[np.floating]  # (n,) 0..1, float32 (from files float64)
    class_ids: NDArray[np.int32]  # (n,) into classes
    crops_px: NDArray[np.int32]  # (n, 4) x0, y0, x1, y1, inside the frame; may be empty
    arena: NDArray[np.uint8]  # (offset[-1],) all masks, row-major, one behind the other
    offset: NDArray[np.int64]  # (n + 1,) where each mask begins in the arena
    classes: Classes
    track_ids: NDArray[np.int64] | None = None  # (n,) the same object's over time, from 1 on; 0: none yet
    sides_px: NDArray[np.float64] | None = None  # (n, 2) width and height as a file says them: x1 - x0 is rounded

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, chosen: NDArray[np.intp]) -> Instances:
        """The objects with these numbers, in this order; new arrays."""
        parts = [self.arena[self.offset[i] : self.offset[i + 1]] for i in chosen.tolist()]
        return replace(
            self,
            boxes_xyxy=self.boxes_xyxy[chosen],
            scores=self.scores[chosen],
            class_ids=self.class_ids[chosen],
            crops_px=self.crops_px[chosen],
            arena=np.concatenate([np.zeros(0, np.uint8), *parts]),
            offset=np.cumsum([0, *map(len, parts)], dtype=np.int64),
            track_ids=None if self.track_ids is None else self.track_ids[chosen],
            sides_px=None if self.sides_px is None else self.sides_px[chosen],
        )

    def mask(self, index: int) -> NDArray[np.uint8]:
        """Mask of one object inside its crop, (y1 - y0, x1 - x0), 0 or 255; a view."""
        x0, y0, x1, y1 = self.crops_px[index].tolist()
        return self.arena[self.offset[index] : self.offset[index + 1]].reshape(y1 - y0, x1 - x0)

    def full_mask(self, index: int, frame_hw: tuple[int, int]) -> NDArray[np.bool_]:
        """Mask of one object at frame size, (h, w) bool; new memory."""
        whole = np.zeros(frame_hw, np.bool_)
        x0, y0, x1, y1 = self.crops_px[index].tolist()
        whole[y0:y1, x0:x1] = self.mask(index) != 0
        return whole


@dataclass(frozen=True, slots=True)
class Labels:
    """What every pixel is: (h, w) uint8 in source pixels, into classes; VOID where nothing is said."""

    map: NDArray[np.uint8]
    classes: Classes


@dataclass(frozen=True, slots=True)
class TrueObjects:
    """The objects that a data set marks in one image, in the order of its file."""

    instances: Instances  # scores 1, in the file's order
    crowd: NDArray[np.bool_]  # (n,) a group that was not told apart
    ignore: NDArray[np.bool_]  # (n,) neither found nor missed: not scored either way
    area_px: NDArray[np.float64]  # (n,) as the data set counts it
    ids: NDArray[np.int64]  # (n,) as the data set numbers its objects; over time too, where it follows them

    def __len__(self) -> int:
        return len(self.instances)


@dataclass(frozen=True, slots=True)
class Panoptic:
    """One segment for every pixel: things one by one, and what cannot be counted as one segment a class."""

    segments: NDArray[np.int32]  # (h, w) numbers of segments from 1; 0 where nothing is said
    class_ids: NDArray[np.int32]  # (n,) of segment number i + 1, into classes
    crowd: NDArray[np.bool_]  # (n,) a group that was not told apart; in truth only
    classes: Classes

    def __len__(self) -> int:
        return len(self.class_ids)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is really there, for frames that are drawn or labelled."""

    labels: Labels | None = None
    instances: Instances | None = None
    objects: TrueObjects | None = None  # of a data set
    name: str = ""  # of the image in its data set
    image_id: int | str | None = None  # as the data set numbers its images, where it does
