"""Run the branch of an output for those parts of the picture alone that somebody looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.local_branch import LocalBranch

BLOCK = 4  # parts are made of whole blocks of so many cells: few sizes, each of which a runtime has to get used to
Map = NDArray[np.float32]
Part = tuple[int, int, int, int]  # top, left, bottom, right, in blocks or cells of the feature map


@dataclass(frozen=True, slots=True)
class Regional:
    """A pipeline.regional.RegionalOutput.

    Args:
        features: (1, c, rows, columns), what the branch begins with; owned by this.
        branch: of the network.
        run: runs it, from features to output; legal from any thread and after the backend was closed.
    """

    features: Map
    branch: LocalBranch
    run: Callable[[Map], Map]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the whole output."""
        _, _, rows, columns = self.features.shape
        return 1, self.branch.channels, rows * self.branch.scale, columns * self.branch.scale

    def whole(self) -> Map:
        """All of it, (1, channels, rows, columns)."""
        return self.run(self.features)

    def within(self, windows: NDArray[np.intp]) -> Map:
        """(channels, rows, columns), right inside windows (n, 4) of its cells u0, v0, u1, v1."""
        rows, columns = self.features.shape[2:]
        scale = self.branch.scale
        margin = -(-self.branch.reach // scale)
        parts = [
            (*around(top, bottom, margin, rows), *around(left, right, margin, columns))
            for top, left, bottom, right in blocks_of(windows, scale, (rows, columns))
        ]
        if sum((bottom - top) * (right - left) for top, bottom, left, right in parts) >= rows * columns:
            every: Map = self.whole()[0]
            return every
        found: Map = np.empty(self.shape[1:], np.float32)
        edge = margin * scale
        for top, bottom, left, right in parts:
            made = self.run(np.ascontiguousarray(self.features[:, :, top:bottom, left:right]))[0]
            # What is cut off is wrong, but where the picture itself ends.
            y0, y1 = edge * (top > 0), made.shape[1] - edge * (bottom < rows)
            x0, x1 = edge * (left > 0), made.shape[2] - edge * (right < columns)
            y, x = top * scale, left * scale
            found[:, y + y0 : y + y1, x + x0 : x + x1] = made[:, y0:y1, x0:x1]
        return found


def blocks_of(windows: NDArray[np.intp], scale: int, size_hw: tuple[int, int]) -> Iterator[Part]:
    """Rectangles of blocks that hold all windows, cut apart at empty rows and columns of blocks.

    Recursive XY-cut (Nagy and Seth 1984, "Hierarchical representation of optically scanned documents").

    Args:
        windows: (n, 4) u0, v0, u1, v1 in cells of the output.
        scale: cells of the output for one of the feature map.
        size_hw: rows and columns of the feature map.
    """
    wanted = np.zeros([-(-side // BLOCK) for side in size_hw], np.bool_)
    side = scale * BLOCK
    # A set, as np.unique would import numpy.ma at the first frame: 8 ms.
    for u0, v0, u1, v1 in set(map(tuple, np.hstack([windows[:, :2] // side, -(-windows[:, 2:] // side)]).tolist())):
        wanted[v0:v1, u0:u1] = True
    for top, left, bottom, right in _cut(wanted, 0, 0):
        yield top * BLOCK, left * BLOCK, min(bottom * BLOCK, size_hw[0]), min(right * BLOCK, size_hw[1])


def _cut(wanted: NDArray[np.bool_], top: int, left: int, tried: int = 0) -> Iterator[Part]:
    """Cut at empty rows, then columns, until neither divides."""
    if tried == 2:
        yield top, left, top + wanted.shape[0], left + wanted.shape[1]
        return
    pieces = list(_runs(np.asarray(wanted.any(1))))
    tried = tried + 1 if len(pieces) == 1 else 1
    for begin, end in pieces:  # turned over for the next cut, and back for the one behind it
        for across in _cut(wanted[begin:end].T, left, top + begin, tried):
            yield across[1], across[0], across[3], across[2]


def _runs(filled: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], filled, [False])))).tolist()
    return zip(edges[::2], edges[1::2], strict=True)


def around(begin: int, end: int, margin: int, size: int) -> tuple[int, int]:
    """A run of cells with a margin, widened to whole blocks, inside `size` cells."""
    begin, end = max(0, begin - margin), min(size, end + margin)
    length = min(size, -(-(end - begin) // BLOCK) * BLOCK)
    begin = min(begin, size - length)
    return begin, begin + length
