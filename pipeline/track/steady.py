"""Labels and masks that do not flicker: a pixel changes once several frames running say so."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config import TrackConfig
from pipeline.optical_flow import Flow, move
from pipeline.track.motion import Follower
from pipeline.types import VOID, Frame, Instances, Labels, Scene
from pipeline.types.messages import Motion

U8 = NDArray[np.uint8]


class Steadying:
    """Holds the labels and the tracked masks of one source steady; scenes come in their order.

    What a pixel shows is carried along the flow. It changes when `confirm` frames running contradict it; at once
    where the flow does not follow it, and at the picture's edge. So a wrong answer of one frame is not seen, and a
    right one that nothing moved to is seen confirm - 1 frames late.

    Args:
        config: the track section.
    """

    def __init__(self, config: TrackConfig) -> None:
        self._motion = Follower(config.flow_px)
        self._config, self._confirm = config, config.confirm
        self.forget()

    def forget(self) -> None:
        """See over_time.Step."""
        self._labels: U8 | None = None  # (h, w, 2) shown, and how many frames running contradicted it
        self._masks: dict[int, tuple[tuple[int, int, int, int], U8]] = {}  # number -> crop, (h, w, 2)

    def __call__(self, scene: Scene) -> Scene:
        """The same scene with steady labels and masks; objects without a number stay as they are."""
        labels = scene.labels if self._config.smooth else None
        objects = scene.instances if self._config.smooth_masks else None
        numbers = None if objects is None else objects.track_ids
        if labels is None and numbers is None:
            return scene
        frame = scene.frame
        motion = frame.motion if self._config.carry else self._motion(frame)
        map_xy = None if motion is None else motion.back(frame.image.size_hw)
        if labels is not None:
            scene = replace(scene, labels=self._steady_labels(labels, frame, motion, map_xy))
        if objects is not None and numbers is not None:
            scene = replace(scene, instances=self._steady_masks(objects, numbers.tolist(), frame, motion, map_xy))
        return scene

    def _steady_labels(self, labels: Labels, frame: Frame, motion: Motion | None, map_xy: Flow | None) -> Labels:
        before = self._labels
        if motion is None or map_xy is None or before is None or before.shape[:2] != labels.map.shape:
            self._labels = _begun(labels.map)
            return labels
        carried = move(before, map_xy)
        if frame.carried:  # says nothing new, so it contradicts nothing
            self._labels = _kept(labels.map, carried)
        else:
            self._labels = _agreed(labels.map, carried, motion.followed, self._confirm)
        return replace(labels, map=np.asarray(cv2.extractChannel(self._labels, 0), np.uint8))

    def _steady_masks(
        self, found: Instances, numbers: list[int], frame: Frame, motion: Motion | None, map_xy: Flow | None
    ) -> Instances:
        last, self._masks = self._masks, {}
        arena = found.arena.copy()
        for i, (number, crop) in enumerate(zip(numbers, found.crops_px.tolist(), strict=True)):
            x0, y0, x1, y1 = crop
            if number == 0 or x0 >= x1 or y0 >= y1:
                continue
            mask = found.mask(i)
            if motion is None or map_xy is None or number not in last:
                self._masks[number] = crop, _begun(mask)
                continue
            (left, top, _, _), before = last[number]
            window: Flow = map_xy[y0:y1, x0:x1] - np.array([left, top], np.float32)
            carried = move(before, window)
            outside = carried[..., 1] == VOID  # was no part of the crop, so no part of the object either
            carried[outside] = 0
            if not frame.carried:
                carried = _agreed(mask, carried, motion.followed[y0:y1, x0:x1], self._confirm)
            self._masks[number] = crop, carried
            arena[found.offset[i] : found.offset[i + 1]] = carried[..., 0].reshape(-1)
        return replace(found, arena=arena)


def _begun(ids: U8) -> U8:
    return np.asarray(cv2.merge([ids, np.zeros_like(ids)]), np.uint8)


def _kept(now: U8, carried: U8) -> U8:
    """What is shown, and how many frames running contradicted it, (h, w, 2): as before; `now` where it came in."""
    shown, against = cv2.split(carried)
    outside = against == VOID  # by NumPy: OpenCV takes an array of 1x1 or 4x1 for a scalar
    against[outside] = 0
    return np.asarray(cv2.merge([cv2.copyTo(now, outside.view(np.uint8), shown), against]), np.uint8)


def _agreed(now: U8, carried: U8, followed: U8, confirm: int) -> U8:
    """What is shown, and how many frames running contradicted it, (h, w, 2).

    Args:
        now: (h, w) what this frame says.
        carried: (h, w, 2) as this function gave it for the frame before, brought here by the flow.
        followed: (h, w) 255 where the flow can be believed.
        confirm: so many frames running change a pixel.
    """
    shown, against = cv2.split(carried)
    held = against < confirm - 1  # and VOID, from outside, is not; by NumPy: OpenCV takes 1x1 and 4x1 for scalars
    held &= now != shown
    held &= followed != 0
    against = (against + 1) * held.view(np.uint8)
    return np.asarray(cv2.merge([cv2.copyTo(shown, held.view(np.uint8), now.copy()), against]), np.uint8)
