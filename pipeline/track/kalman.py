"""Boxes that move evenly: the Kalman filter of SORT's family, for all tracks at once.

State: centre x and y, aspect ratio, height, and how each changes in a frame; noise grows with the height (Wojke et
al. 2017, arXiv 1703.07402, and its reference code, which ByteTrack took over). Pixels throughout.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
_PLACE, _SPEED = 1 / 20, 1 / 160  # standard deviations, in heights
_STEP = np.eye(8) + np.eye(8, k=4)  # a frame later
_SEEN = np.eye(4, 8)  # what a box shows of the state


def begin(boxes: F64) -> tuple[F64, F64]:
    """States (n, 8) and covariances (n, 8, 8) of boxes seen for the first time.

    Args:
        boxes: (n, 4) as `measured` gives them.
    """
    means = np.concatenate([boxes, np.zeros_like(boxes)], axis=1)
    height = boxes[:, 3]
    same = np.ones_like(height)
    place = np.stack([2 * _PLACE * height, 2 * _PLACE * height, 1e-2 * same, 2 * _PLACE * height], 1)
    speed = np.stack([10 * _SPEED * height, 10 * _SPEED * height, 1e-5 * same, 10 * _SPEED * height], 1)
    return means, _diagonal(np.concatenate([place, speed], 1) ** 2)


def predict(means: F64, covariances: F64) -> tuple[F64, F64]:
    """One frame later."""
    height = means[:, 3]
    same = np.ones_like(height)
    place = np.stack([_PLACE * height, _PLACE * height, 1e-2 * same, _PLACE * height], 1)
    speed = np.stack([_SPEED * height, _SPEED * height, 1e-5 * same, _SPEED * height], 1)
    noise = _diagonal(np.concatenate([place, speed], 1) ** 2)
    return means @ _STEP.T, _STEP @ covariances @ _STEP.T + noise


def correct(means: F64, covariances: F64, boxes: F64) -> tuple[F64, F64]:
    """States once these boxes were seen, one for each."""
    height = means[:, 3]
    place = np.stack([_PLACE * height, _PLACE * height, 1e-1 * np.ones_like(height), _PLACE * height], 1)
    shown = _SEEN @ covariances @ _SEEN.T + _diagonal(place**2)  # (n, 4, 4)
    gain = np.linalg.solve(shown, _SEEN @ covariances).transpose(0, 2, 1)  # (n, 8, 4); both are symmetric
    surprise = boxes - means[:, :4]
    return (
        means + np.einsum("nij,nj->ni", gain, surprise),
        covariances - gain @ shown @ gain.transpose(0, 2, 1),
    )


def measured(boxes_xyxy: F64) -> F64:
    """(n, 4) x0, y0, x1, y1 -> centre x, centre y, width / height, height."""
    x0, y0, x1, y1 = boxes_xyxy.T
    height = np.maximum(y1 - y0, 1e-6)
    return np.stack([(x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / height, height], 1)


def boxes_of(means: F64) -> F64:
    """(n, 8) states -> (n, 4) x0, y0, x1, y1."""
    x, y, aspect, height = means[:, :4].T
    width = aspect * height
    return np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 1)


def _diagonal(values: F64) -> F64:
    """(n, k) -> (n, k, k)."""
    whole: F64 = values[:, :, None] * np.eye(values.shape[1])
    return whole
