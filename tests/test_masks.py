"""Masks from prototypes against the same thing done on whole frames, in float64."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.letterbox import Letterbox
from pipeline.placement import network_size, place
from pipeline.postprocess.masks import Masks, masks_in_boxes
from pipeline.types import InputSpec

# Whole frame pixels per cell; a padding that is no whole number of cells; no scaling at all; enlarged; upright.
SIZES = [(720, 1280), (374, 1242), (425, 640), (288, 352), (1242, 374), (375, 1241)]


def setting(frame_hw: tuple[int, int], seed: int = 0, count: int = 9) -> tuple[Any, Any, Any, Letterbox]:
    """Smooth random prototypes, coefficients, and boxes that also touch and cross the edges."""
    rng = np.random.default_rng(seed)
    letterbox = place(frame_hw, network_size(frame_hw, InputSpec("images")))
    rows, columns = letterbox.network_hw[0] // 4, letterbox.network_hw[1] // 4
    prototypes = np.stack([cv2.resize(rng.normal(size=(8, 8)), (columns, rows)) for _ in range(16)])
    height, width = frame_hw
    low = rng.random((count, 2)) * [width, height] * 0.7
    boxes = np.hstack([low, low + rng.random((count, 2)) * [width, height] * 0.5])
    boxes[0] = 0, 0, width, height
    boxes[1, 2:] = width, height
    boxes = np.clip(boxes, 0, [width, height, width, height])
    coefficients = rng.normal(size=(count, 16))
    return boxes.astype(np.float32), coefficients.astype(np.float32), prototypes.astype(np.float32), letterbox


def whole_frame_logits(logits: NDArray[Any], letterbox: Letterbox) -> NDArray[Any]:
    """A grid of logits to frame size: made as fine as the network's input, cut out, interpolated; all in float64."""
    network_h, network_w = letterbox.network_hw
    rows = slice(letterbox.top, letterbox.top + letterbox.content_hw[0])
    columns = slice(letterbox.left, letterbox.left + letterbox.content_hw[1])
    cells_apart = network_h // logits.shape[0]
    if all(n % cells_apart == 0 for n in (rows.start, rows.stop, columns.start, columns.stop)):
        rows = slice(rows.start // cells_apart, rows.stop // cells_apart)
        columns = slice(columns.start // cells_apart, columns.stop // cells_apart)
    elif all(n % 2 == 0 for n in (rows.start, rows.stop, columns.start, columns.stop)):
        logits = bilinear(logits, (network_h // 2, network_w // 2))
        rows, columns = slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2)
    else:
        logits = bilinear(logits, (network_h, network_w))
    return bilinear(logits[rows, columns], letterbox.frame_hw)


def bilinear(values: NDArray[Any], size_hw: tuple[int, int]) -> NDArray[Any]:
    """By pixel centres, the edges repeated."""
    for axis, size in enumerate(size_hw):
        have = values.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * have / size - 0.5, 0, have - 1)
        low = np.minimum(np.floor(at).astype(int), max(have - 2, 0))
        part = (at - low).reshape((-1, 1) if axis == 0 else (1, -1))
        values = values.take(low, axis) * (1 - part) + values.take(np.minimum(low + 1, have - 1), axis) * part
    return values


def full(masks: Masks, index: int, frame_hw: tuple[int, int]) -> NDArray[np.bool_]:
    whole = np.zeros(frame_hw, np.bool_)
    x0, y0, x1, y1 = masks.crops_px[index]
    part = masks.arena[masks.offset[index] : masks.offset[index + 1]]
    assert set(np.unique(part)) <= {0, 255}
    whole[y0:y1, x0:x1] = part.reshape(y1 - y0, x1 - x0) > 0
    return whole


@pytest.mark.parametrize("frame_hw", SIZES)
def test_masks_are_those_of_the_whole_frame_inside_their_boxes(frame_hw: tuple[int, int]) -> None:
    boxes, coefficients, prototypes, letterbox = setting(frame_hw)
    masks = masks_in_boxes(boxes, coefficients, prototypes, letterbox)
    y, x = np.mgrid[: frame_hw[0], : frame_hw[1]]
    found = 0
    for row, (box, weights) in enumerate(zip(boxes, coefficients, strict=True)):
        logits = whole_frame_logits(np.tensordot(weights, prototypes, 1).astype(np.float64), letterbox)
        inside = (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])
        expected = (logits > 0) & inside
        if not expected.any():
            assert row not in masks.kept
            continue
        got = full(masks, found, frame_hw)
        assert masks.kept[found] == row
        # Float32 may decide otherwise only where the logit is as good as 0.
        assert np.abs(logits[got != expected]).max(initial=0) < 1e-3
        assert not (got & ~inside).any()
        found += 1
    assert found == len(masks.kept) == len(masks.crops_px) == len(masks.offset) - 1


@pytest.mark.parametrize("frame_hw", SIZES)
@pytest.mark.parametrize("axis", [0, 1])
def test_an_edge_lies_where_it_is(frame_hw: tuple[int, int], axis: int) -> None:
    letterbox = place(frame_hw, network_size(frame_hw, InputSpec("images")))
    grid_hw = letterbox.network_hw[0] // 4, letterbox.network_hw[1] // 4
    where = frame_hw[axis] * 0.37  # right of or below it is object
    on_network = where * letterbox.scale_xy[1 - axis] + (letterbox.top, letterbox.left)[axis]
    centres = (np.arange(grid_hw[axis]) + 0.5) * 4 - on_network
    ramp = np.broadcast_to(centres[:, None] if axis == 0 else centres, grid_hw).astype(np.float32)
    boxes = np.array([[0, 0, frame_hw[1], frame_hw[0]]], np.float32)
    masks = masks_in_boxes(boxes, np.ones((1, 1), np.float32), ramp[None], letterbox)
    first = np.flatnonzero(full(masks, 0, frame_hw).any(1 - axis))[0]
    assert abs(first - where) <= 0.5 + 1e-3  # the first pixel with its centre behind the edge


def test_a_crop_is_the_pixels_from_the_first_edge_up_to_the_second() -> None:
    letterbox = place((64, 64), (64, 64))
    boxes = np.array([[3.2, 4.0, 7.0, 9.5], [0, 0, 64, 64], [63.5, 0, 64, 1]], np.float32)
    masks = masks_in_boxes(boxes, np.ones((3, 1), np.float32), np.ones((1, 16, 16), np.float32), letterbox)
    assert masks.kept.tolist() == [0, 1]  # no pixel p has 63.5 <= p < 64
    assert masks.crops_px.tolist() == [[4, 4, 7, 10], [0, 0, 64, 64]]
    assert masks.offset.tolist() == [0, 18, 18 + 64 * 64]
    assert masks.arena.min() == 255


def test_boxes_without_a_mask_are_left_out() -> None:
    letterbox = place((64, 64), (64, 64))
    prototypes = np.ones((1, 16, 16), np.float32)
    prototypes[:, :, 8:] = -1  # object on the left only
    boxes = np.array([[0, 0, 64, 64], [40, 0, 64, 64], [10, 10, 10, 30], [30, 30, 20, 20], [0, 0, 8, 8]], np.float32)
    masks = masks_in_boxes(boxes, np.ones((5, 1), np.float32), prototypes, letterbox)
    assert masks.kept.tolist() == [0, 4]
    assert masks.offset.tolist() == [0, 4096, 4160]
    assert full(masks, 0, (64, 64)).tolist() == [[column < 32 for column in range(64)]] * 64
    assert full(masks, 1, (64, 64))[:8, :8].all()


def test_no_boxes_no_masks() -> None:
    empty = np.empty((0, 4), np.float32), np.empty((0, 8), np.float32)
    masks = masks_in_boxes(*empty, np.ones((8, 16, 16), np.float32), place((64, 64), (64, 64)))
    assert (masks.kept.size, masks.crops_px.shape, masks.arena.size, masks.offset.tolist()) == (0, (0, 4), 0, [0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_prototypes_that_are_no_numbers_make_holes(bad: float) -> None:
    prototypes = np.ones((2, 16, 16), np.float32)
    prototypes[1, :8] = bad
    weights = np.array([[1.0, 0.0]], np.float32)  # 0 * inf is no number either
    boxes = np.array([[0, 0, 64, 64]], np.float32)
    masks = masks_in_boxes(boxes, weights, prototypes, place((64, 64), (64, 64)))
    whole = full(masks, 0, (64, 64))
    assert not whole[:30].any()
    assert whole[36:].all()
