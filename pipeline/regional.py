"""An output of a network that is computed where somebody looks at it, such as the prototypes of masks."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class RegionalOutput(Protocol):
    """A grid over the network's input, (1, channels, rows, columns) float32, not computed yet."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the whole."""
        ...

    def within(self, windows: NDArray[np.intp]) -> NDArray[np.float32]:
        """(channels, rows, columns), the very values of the whole inside the windows and anything outside them.

        Args:
            windows: (n, 4) u0, v0, u1, v1: columns u0 <= u < u1 and rows v0 <= v < v1 of the grid.
        """
        ...

    def whole(self) -> NDArray[np.float32]:
        """All of it, (1, channels, rows, columns)."""
        ...


Output = NDArray[Any] | RegionalOutput
