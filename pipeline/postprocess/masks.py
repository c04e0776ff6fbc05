"""Masks at source resolution from prototypes, each computed inside its own box only."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.letterbox import Letterbox
from pipeline.regional import RegionalOutput


@dataclass(frozen=True, slots=True)
class Masks:
    """Masks as packed crops, see pipeline.types.Instances; `kept` says which boxes have one."""

    kept: NDArray[np.intp]  # (m,) rows of the boxes whose mask has a pixel
    crops_px: NDArray[np.int32]  # (m, 4) x0, y0, x1, y1
    arena: NDArray[np.uint8]  # (offset[-1],) 0 or 255
    offset: NDArray[np.int64]  # (m + 1,)


def masks_in_boxes(
    boxes_xyxy: NDArray[np.float32],
    coefficients: NDArray[np.float32],
    prototypes: NDArray[np.float32] | RegionalOutput,
    letterbox: Letterbox,
) -> Masks:
    """One mask per box: sum of coefficient * prototype, bilinear to source pixels, inside where above 0.

    Args:
        boxes_xyxy: (n, 4) source pixels, inside the frame.
        coefficients: (n, k).
        prototypes: (k, rows, columns), a grid over the network's input; or what computes it, under the boxes alone.
        letterbox: of the frame.

    Returns:
        Masks; boxes without a single pixel of mask are left out, as there is nothing to show of them.

    A crop is the pixels p with x0 <= p < x1 and y0 <= p < y1, and samples stop at the edge of the picture: both as
    in Ultralytics' masks with retina_masks=True.
    """
    sampler = _Sampler(letterbox, (prototypes.shape[-2], prototypes.shape[-1]))
    crops = np.ceil(boxes_xyxy).astype(np.int32)
    places = sampler.places(crops)
    areas = np.prod(np.maximum(crops[:, 2:] - crops[:, :2], 0), 1, dtype=np.int64)
    grid = prototypes if isinstance(prototypes, np.ndarray) else prototypes.within(places[areas > 0, :4])
    sizes = areas.tolist()
    arena = np.empty(sum(sizes), np.uint8)
    kept: list[int] = []
    offset = [0]
    with np.errstate(all="ignore"):  # a network may say anything: what is not a number is not above 0
        for row, (crop, place, size) in enumerate(zip(crops.tolist(), places.tolist(), sizes, strict=True)):
            if not size:
                continue
            window, fine = place[:4], place[4:]
            # Not `@`: that copies the window first, and its library may wake threads for so little.
            cells = grid[:, window[1] : window[3], window[0] : window[2]]
            logits: NDArray[np.float32] = np.einsum("k,kvu->vu", coefficients[row], cells)
            mask = arena[offset[-1] : offset[-1] + size].reshape(crop[3] - crop[1], crop[2] - crop[0])
            values = sampler.sample(logits, window, fine, crop)
            cv2.compare(values, 0, cv2.CMP_GT, dst=mask)  # type: ignore[call-overload]  # the stub knows no number
            if cv2.countNonZero(mask):  # else the next mask takes its place in the arena
                kept.append(row)
                offset.append(offset[-1] + size)
    return Masks(np.array(kept, np.intp), crops[kept], arena[: offset[-1]], np.array(offset, np.int64))


class _Sampler:
    """Bilinear from a grid over the network's input to crops of the frame, by pixel centres.

    In two steps, as Ultralytics does it: the grid is first made finer, by the least factor that lets the picture
    start and end with a cell, so that its padding can be cut off; then it is brought to source pixels.
    """

    def __init__(self, letterbox: Letterbox, grid_hw: tuple[int, int]) -> None:
        self._grid = np.array(grid_hw[::-1])
        for self._factor in (1, 2, 4):
            *scale, left, top = letterbox.to_grid((grid_hw[0] * self._factor, grid_hw[1] * self._factor))
            self._scale, offset = np.array(scale), np.array((left, top))
            end = offset + self._scale * letterbox.frame_hw[::-1]
            self._first, self._end = np.rint(offset).astype(np.intp), np.rint(end).astype(np.intp)
            if np.abs((offset - self._first, end - self._end)).max() < 1e-6:
                break
        self._origin = self._scale / 2 + offset - 0.5  # where the centre of frame pixel 0 lies, in cells by centre
        # A cell that is a whole number of frame pixels makes a window of cells a rectangle of pixels: resizing is
        # then the same as warping, in a third of the time.
        per_cell = np.rint(1 / self._scale)
        whole = np.abs(per_cell * self._scale - 1).max() < 1e-9
        self._pixels: tuple[int, int] | None = tuple(per_cell.astype(int).tolist()) if whole else None

    def places(self, crops_px: NDArray[np.int32]) -> NDArray[np.intp]:
        """What crops (n, 4) are sampled from: (n, 8), the window of the grid and that of the finer grid inside it.

        Both as u0, v0, u1, v1, at least one cell each.
        """
        low = np.floor(crops_px[:, :2] * self._scale + self._origin).astype(np.intp)
        high = np.ceil((crops_px[:, 2:] - 1) * self._scale + self._origin).astype(np.intp) + 1
        start = np.clip(low, self._first, self._end - 1)
        stop = np.clip(high, start + 1, self._end)
        first = np.floor((start + 0.5) / self._factor - 0.5).astype(np.intp)
        last = np.ceil((stop - 0.5) / self._factor - 0.5).astype(np.intp)
        return np.hstack([np.maximum(first, 0), np.minimum(last + 1, self._grid), start, stop])

    def sample(
        self, logits: NDArray[np.float32], window: list[int], fine: list[int], crop: list[int]
    ) -> NDArray[np.float32]:
        """The values of a window of the grid at the pixels of a crop, (y1 - y0, x1 - x0) float32."""
        (u0, v0, u1, v1), (x0, y0, x1, y1) = fine, crop
        if self._factor > 1:
            left, top = window[0] * self._factor, window[1] * self._factor
            logits = _enlarge(logits, self._factor, self._factor)[v0 - top : v1 - top, u0 - left : u1 - left]
        if self._pixels is not None:
            across, down = self._pixels
            left, top = (u0 - int(self._first[0])) * across, (v0 - int(self._first[1])) * down
            return _enlarge(logits, across, down)[y0 - top : y1 - top, x0 - left : x1 - left]
        (scale_x, scale_y), (origin_x, origin_y) = self._scale.tolist(), self._origin.tolist()
        to_window = np.array([[scale_x, 0, x0 * scale_x + origin_x - u0], [0, scale_y, y0 * scale_y + origin_y - v0]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = x1 - x0, y1 - y0
        return np.asarray(
            cv2.warpAffine(logits, to_window, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
        )


def _enlarge(values: NDArray[np.float32], across: int, down: int) -> NDArray[np.float32]:
    """Bilinear by pixel centres, (h, w) to (h * down, w * across)."""
    if across == down == 1:
        return values
    return np.asarray(cv2.resize(values, (values.shape[1] * across, values.shape[0] * down)), np.float32)
