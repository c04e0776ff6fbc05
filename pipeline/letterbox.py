"""Where a frame lies in a network's input, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A frame placed in a network's input, and the way back. Nothing else computes a scale.

    The frame is resized to content_hw and put at (top, left) of network_hw. Continuous
    coordinates: pixel i covers [i, i + 1), its centre is i + 0.5, so network = frame * scale + offset.
    """

    frame_hw: tuple[int, int]
    network_hw: tuple[int, int]
    content_hw: tuple[int, int]
    top: int
    left: int

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Network pixels per frame pixel, across and down."""
        return self.content_hw[1] / self.frame_hw[1], self.content_hw[0] / self.frame_hw[0]

    def boxes_to_frame(self, boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes (n, 4) x0, y0, x1, y1 from network pixels to frame pixels, clipped to the frame; new memory."""
        moved = (boxes_xyxy - self._offset()) / self._scale()
        height, width = self.frame_hw
        inside: NDArray[np.float32] = np.clip(moved, 0, np.array([width, height, width, height], np.float32))
        return inside

    def boxes_to_network(self, boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes (n, 4) x0, y0, x1, y1 from frame pixels to network pixels; new memory."""
        return boxes_xyxy * self._scale() + self._offset()

    def to_grid(self, grid_hw: tuple[int, int]) -> tuple[float, float, float, float]:
        """From frame pixels to cells of a grid that covers the network's input, such as an output of it.

        Returns:
            scale_x, scale_y, offset_x, offset_y of grid = frame * scale + offset, in continuous coordinates.
        """
        per_x, per_y = grid_hw[1] / self.network_hw[1], grid_hw[0] / self.network_hw[0]
        scale_x, scale_y = self.scale_xy
        return scale_x * per_x, scale_y * per_y, self.left * per_x, self.top * per_y

    def cells(self, grid_hw: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The cell of a grid over the network's input that the centre of each frame pixel falls into.

        Returns:
            row of each frame row (frame height,), column of each frame column (frame width,); never outside
            the grid. In whole numbers, so that a centre on a border always falls into the cell behind it.
        """
        placed = (self.top, self.left)
        rows, columns = (
            # floor(((i + 0.5) * content / frame + placed) * grid / network)
            ((2 * np.arange(frame) + 1) * content + 2 * frame * place) * grid // (2 * frame * network)
            for frame, content, place, grid, network in zip(
                self.frame_hw, self.content_hw, placed, grid_hw, self.network_hw, strict=True
            )
        )
        return rows.astype(np.intp), columns.astype(np.intp)

    def _scale(self) -> NDArray[np.float32]:
        return np.array(self.scale_xy * 2, np.float32)

    def _offset(self) -> NDArray[np.float32]:
        return np.array((self.left, self.top) * 2, np.float32)
