"""Sums of floating-point numbers that do not depend on the order: of parts that are added up on many machines."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


class ExactSums:
    """n sums, each exact until it is read.

    A double is a whole number times a power of two, so its sum with others is a fraction that is kept as it is.

    Args:
        count: n.
    """

    def __init__(self, count: int) -> None:
        self._sums = [Fraction(0)] * count

    def add(self, index: int, value: float) -> None:
        """Add a finite number to one of them."""
        self._sums[index] += Fraction(value)

    def add_at(self, indices: Iterable[int], values: Iterable[float]) -> None:
        """Add each number to the sum of its index."""
        for index, value in zip(indices, values, strict=True):
            if value:
                self.add(index, value)

    def merge(self, other: ExactSums) -> None:
        """Add what others have added up."""
        self._sums = [mine + theirs for mine, theirs in zip(self._sums, other._sums, strict=True)]

    def values(self) -> NDArray[np.float64]:
        """(n,) the nearest doubles."""
        return np.array([float(one) for one in self._sums], np.float64)
