"""Outputs of two backends as numbers: how far they lie apart, and whether they are the same bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Outputs = Sequence[NDArray[Any]]


class RawOutputs:
    """Differences of float outputs over many frames, as shares of each output's largest magnitude.

    Outputs of whole numbers are labels: their difference means nothing, what they say is compared elsewhere.
    """

    def __init__(self) -> None:
        self.not_finite = 0  # values that are NaN or infinite where the reference has a number
        self._range: list[float] = []  # of each float output: largest magnitude, largest difference, sum, count
        self._largest: list[float] = []
        self._sum: list[float] = []
        self._count: list[int] = []

    def add(self, expected: Outputs, found: Outputs) -> bool:
        """Count a frame; False where the shapes differ, and nothing was counted."""
        if not same_shapes(expected, found):
            return False
        floats = [(a, b) for a, b in zip(expected, found, strict=True) if a.dtype.kind == "f"]
        if not self._count:
            none = [0.0] * len(floats)
            self._range, self._largest, self._sum, self._count = none[:], none[:], none[:], [0] * len(floats)
        for at, (a, b) in enumerate(floats):
            if not (np.isfinite(b).all() and np.isfinite(a).all()):
                finite = np.isfinite(a)
                self.not_finite += int(np.count_nonzero(finite & ~np.isfinite(b)))
                a, b = a[finite & np.isfinite(b)], b[finite & np.isfinite(b)]
            if not a.size:  # of a network that ends in its NMS: it found nothing
                continue
            apart = np.abs(a.astype(np.float32, copy=False) - b)
            self._range[at] = max(self._range[at], float(np.abs(a).max()))
            self._largest[at] = max(self._largest[at], float(apart.max()))
            self._sum[at] += float(apart.sum(dtype=np.float64))
            self._count[at] += apart.size
        return True

    def measures(self) -> dict[str, float]:
        """not_finite, and where there are floats largest_difference and mean_difference, of the output with most."""
        said: dict[str, float] = {"not_finite": float(self.not_finite)}
        if self._count:
            ranges = [value or 1.0 for value in self._range]
            means = [total / max(1, n) / r for total, n, r in zip(self._sum, self._count, ranges, strict=True)]
            said["largest_difference"] = max(d / r for d, r in zip(self._largest, ranges, strict=True))
            said["mean_difference"] = max(means)
        return said


def same_shapes(expected: Outputs, found: Outputs) -> bool:
    """Whether the same number of outputs came, of the same shapes, and numbers where numbers were expected."""
    return [a.shape for a in expected] == [b.shape for b in found] and all(
        (a.dtype.kind == "f") == (b.dtype.kind == "f") for a, b in zip(expected, found, strict=True)
    )


def same_bytes(one: Outputs, other: Outputs) -> bool:
    """Whether two results are the same to the last bit; a NaN is the same as itself."""
    return same_shapes(one, other) and all(
        a.dtype == b.dtype and np.array_equal(_raw(a), _raw(b)) for a, b in zip(one, other, strict=True)
    )


def _raw(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)  # a number alone has no bytes to look at


def distance(one: Outputs, other: Outputs) -> float:
    """How far two results lie apart, 0 where they are the same: of floats the mean difference as a share of the
    largest magnitude, of whole numbers the share of unequal ones; the largest over the outputs."""
    if not same_shapes(one, other):
        return math.inf
    apart = []
    for a, b in zip(one, other, strict=True):
        if a.dtype.kind != "f":
            apart.append(float(np.mean(a != b)) if a.size else 0.0)
        else:
            finite = np.isfinite(a)
            if not np.array_equal(finite, np.isfinite(b)):
                return math.inf
            a, b = (a, b) if finite.all() else (a[finite], b[finite])
            largest = float(np.abs(a).max(initial=0.0)) or 1.0
            apart.append(float(np.abs(a.astype(np.float32, copy=False) - b).mean()) / largest if a.size else 0.0)
    return max(apart, default=0.0)
