"""Where pixels are sampled, planned on the host once for a size; no kernel computes a scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.kernels.arguments import AXIS_TAP, TAP
from pipeline.letterbox import Letterbox


def resize_taps(source: int, target: int) -> NDArray[Any]:
    """Between which two samples each output of cv2.resize (bilinear, uint8) lies, and the weights in 1/2048.

    Args:
        source, target: sides in samples.

    Returns:
        (target,) TAP.
    """
    scale = 1 / (target / source)  # in this order, as OpenCV has it
    place = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(place).astype(np.int32)
    part = place - first.astype(np.float32)
    taps = np.empty(target, TAP)
    taps["first"], taps["second"] = np.clip(first, 0, source - 1), np.clip(first + 1, 0, source - 1)
    taps["near_weight"] = np.rint((1 - part) * np.float32(2048))
    taps["far_weight"] = np.rint(part * np.float32(2048))
    return taps


def mask_taps(letterbox: Letterbox, grid_hw: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any], bool]:
    """Between which cells of prototypes each row and column of frame pixels lies.

    The two bilinear steps of pipeline/postprocess/masks.py as one: the grid is made finer by the least factor of 1, 2
    and 4 that lets the picture begin and end with a cell; samples stop at the edge of the picture.

    Args:
        letterbox: of the frame.
        grid_hw: of the prototypes, a grid over the network's input.

    Returns:
        (frame height,) and (frame width,) AXIS_TAP, and whether a tap may have three cells.
    """
    for factor in (1, 2, 4):
        *scale, left, top = letterbox.to_grid((grid_hw[0] * factor, grid_hw[1] * factor))
        begins = np.array([left, top])
        ends = begins + np.array(scale) * letterbox.frame_hw[::-1]
        first, end = np.rint(begins).astype(np.int64), np.rint(ends).astype(np.int64)
        if np.abs((begins - first, ends - end)).max() < 1e-6:
            break
    across, down = (
        _axis(letterbox.frame_hw[1 - i], scale[i], begins[i], (first[i], end[i]), grid_hw[1 - i], factor)
        for i in (0, 1)
    )
    return down, across, factor > 1


def _axis(pixels: int, scale: float, begin: float, picture: tuple[int, int], cells: int, factor: int) -> NDArray[Any]:
    """One axis: pixels of the frame to cells; `scale`, `begin` and `picture` are in finer cells."""
    place = np.arange(pixels) * scale + (scale / 2 + begin - 0.5)
    low = np.floor(place)
    part = place - low
    fine = np.clip(np.stack([low, low + 1]), picture[0], picture[1] - 1)  # (2, pixels)
    coarse = (fine + 0.5) / factor - 0.5
    floor = np.floor(coarse)
    rest = coarse - floor
    index = np.clip(np.stack([floor, floor + 1]), 0, cells - 1).astype(np.int64)  # (2 of coarse, 2 of fine, pixels)
    weight = np.stack([1 - rest, rest]) * np.stack([1 - part, part])
    taps = np.zeros(pixels, AXIS_TAP)
    taps["first"] = index.min((0, 1))
    total = np.zeros((pixels, 3))
    for number in range(3):
        total[:, number] = np.where(index - taps["first"] == number, weight, 0).sum((0, 1))
    taps["weight"] = total
    return taps
