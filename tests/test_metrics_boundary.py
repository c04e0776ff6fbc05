"""Boundary measures are their definitions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.metrics.boundary import BoundaryIoU, border, boundary_f, f_measure, near, outline
from pipeline.types import VOID

U8 = NDArray[np.uint8]


def blob(seed: int, hw: tuple[int, int] = (64, 90)) -> U8:
    """A few overlapping ellipses, some over the picture's edge."""
    random = np.random.default_rng(seed)
    mask = np.zeros(hw, np.uint8)
    for _ in range(4):
        centre = int(random.integers(0, hw[1])), int(random.integers(0, hw[0]))
        axes = int(random.integers(5, 30)), int(random.integers(5, 20))
        cv2.ellipse(mask, centre, axes, int(random.integers(0, 180)), 0, 360, 255, -1)
    return mask


@pytest.mark.parametrize("width_px", [1, 2, 5, 11])
def test_a_border_is_what_as_many_erosions_take_away(width_px: int) -> None:
    for seed in range(5):
        mask = blob(seed)
        padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width_px)[1:-1, 1:-1]
        np.testing.assert_array_equal(border(mask, width_px), mask - eroded)


def test_boundary_iou_sums_borders_over_the_images_and_skips_void() -> None:
    counted = BoundaryIoU(3, share=0.03)
    both, either = np.zeros(3), np.zeros(3)
    for seed in range(4):
        truth, found = (np.where(blob(seed + add) > 0, 1, 0).astype(np.uint8) for add in (0, 1))
        truth[:10] = VOID
        counted.add(truth, found)
        width_px = round(0.03 * np.hypot(*truth.shape))
        for k in range(2):
            a = border((truth == k).astype(np.uint8), width_px)
            b = border(((found == k) & (truth != VOID)).astype(np.uint8), width_px)
            both[k] += (a & b).sum()
            either[k] += (a | b).sum()
    scores = counted.scores()
    np.testing.assert_allclose(scores[:2], both[:2] / either[:2])
    assert np.isnan(scores[2])


def test_a_wide_error_inside_costs_less_at_the_border_than_a_thin_one_there() -> None:
    truth = np.zeros((100, 100), np.uint8)
    truth[20:80, 20:80] = 1
    hole, thin = truth.copy(), truth.copy()
    hole[45:55, 45:55] = 0
    thin[20:22, 20:70] = 0  # as many pixels
    scores = []
    for found in (hole, thin):
        counted = BoundaryIoU(2, share=0.02)
        counted.add(truth, found)
        scores.append(counted.scores()[1])
    assert scores[0] > scores[1]


def test_near_is_dilation_by_a_disk() -> None:
    for radius in (1, 2, 5):
        y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
        disk = (x * x + y * y <= radius * radius).astype(np.uint8)
        mask = np.random.default_rng(radius).random((40, 50)) < 0.01
        expected = cv2.dilate(mask.astype(np.uint8), disk, borderValue=0) > 0
        np.testing.assert_array_equal(near(mask, radius), expected)


def test_the_f_measure_forgives_what_is_within_the_tolerance() -> None:
    line = np.zeros((40, 60), bool)
    line[20, 5:55] = True
    assert f_measure(line, np.roll(line, 2, 0), 2) == 1
    assert f_measure(line, np.roll(line, 3, 0), 2) == 0
    half = line.copy()
    half[:, 30:] = False
    assert f_measure(line, half, 0) == pytest.approx(2 / 3)  # precision 1, recall 1/2
    nothing = np.zeros_like(line)
    assert (f_measure(nothing, nothing, 1), f_measure(line, nothing, 1), f_measure(nothing, line, 1)) == (1, 0, 0)


def test_boundary_f_is_that_of_outlines() -> None:
    truth, found = blob(1) > 0, blob(2) > 0
    assert boundary_f(truth, truth) == 1
    assert boundary_f(truth, found) == f_measure(outline(truth), outline(found), np.ceil(0.008 * np.hypot(64, 90)))
    square = np.zeros((10, 10), bool)
    square[3:6, 3:6] = True
    assert outline(square).sum() == 12  # DAVIS' seg2bmap: the three sides that change to the right, below and across
