"""Semantic measures equal what a plain NumPy line computes; test_metrics_cityscapes.py has the official ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.types import VOID

Labels = NDArray[np.uint8]


def random_case(seed: int, classes: int, hw: tuple[int, int] = (40, 60)) -> tuple[Labels, Labels]:
    """Truth and a prediction that is right for a good part, both with void; some classes never appear."""
    random = np.random.default_rng(seed)
    alive = random.choice(classes, max(1, classes * 2 // 3), replace=False)
    truth = random.choice(np.append(alive, VOID), hw).astype(np.uint8)
    guess = random.choice(np.append(random.choice(classes, classes // 2 + 1), VOID), hw).astype(np.uint8)
    return truth, np.where(random.random(hw) < 0.6, truth, guess).astype(np.uint8)


def matrix(classes: int, *pairs: tuple[Labels, Labels]) -> ConfusionMatrix:
    whole = ConfusionMatrix(classes)
    for truth, predicted in pairs:
        whole.add(truth, predicted)
    return whole


def plain_ious(truth: Labels, predicted: Labels, classes: int) -> list[float]:
    """Intersection over union, class by class, as its definition says."""
    counts = truth != VOID
    ious = []
    for k in range(classes):
        union = (((truth == k) | (predicted == k)) & counts).sum()
        ious.append(((truth == k) & (predicted == k)).sum() / union if union else np.nan)
    return ious


@pytest.mark.parametrize("seed", range(20))
def test_the_measures_are_their_definitions(seed: int) -> None:
    classes = (2, 7, 11, 19, 150)[seed % 5]
    truth, predicted = random_case(seed, classes)
    scores = matrix(classes, (truth, predicted)).scores()
    ious = plain_ious(truth, predicted, classes)
    known = truth != VOID
    np.testing.assert_allclose(scores.iou, ious, rtol=1e-12)
    assert scores.mean_iou == pytest.approx(np.nanmean(ious), rel=1e-12)
    assert scores.pixel_accuracy == pytest.approx((truth == predicted)[known].mean(), rel=1e-12)
    np.testing.assert_allclose(scores.dice, 2 * np.array(ious) / (1 + np.array(ious)), rtol=1e-12)
    assert scores.mean_dice == pytest.approx(np.nanmean(scores.dice), rel=1e-12)
    recall = [(predicted == k)[truth == k].mean() for k in range(classes) if (truth == k).any()]
    assert scores.mean_accuracy == pytest.approx(np.mean(recall), rel=1e-12)
    share = np.bincount(truth[known], minlength=classes) / known.sum()
    assert scores.frequency_weighted_iou == pytest.approx(np.nansum(share * ious), rel=1e-12)
    assert scores.pixels == known.sum()


def test_a_case_worked_by_hand() -> None:
    truth = np.array([[0, 0, 0, 0], [1, 1, VOID, VOID]], np.uint8)
    predicted = np.array([[0, 0, 1, VOID], [1, 0, 2, 0]], np.uint8)
    scores = matrix(4, (truth, predicted)).scores()
    # class 0: 2 hits, 2 missed (one as nothing), 1 wrong; class 1: 1 hit, 1 missed, 1 wrong; 2 only on void
    np.testing.assert_allclose(scores.iou, [2 / 5, 1 / 3, np.nan, np.nan])
    np.testing.assert_allclose(scores.accuracy, [1 / 2, 1 / 2, np.nan, np.nan])
    assert scores.mean_iou == pytest.approx((2 / 5 + 1 / 3) / 2)
    assert scores.frequency_weighted_iou == pytest.approx((4 * 2 / 5 + 2 / 3) / 6)
    assert scores.pixel_accuracy == 0.5


def test_a_class_that_is_only_predicted_counts_as_nothing_right() -> None:
    truth = np.zeros((2, 2), np.uint8)
    scores = matrix(3, (truth, np.array([[0, 0], [0, 2]], np.uint8))).scores()
    np.testing.assert_allclose(scores.iou, [3 / 4, np.nan, 0])
    assert scores.mean_iou == pytest.approx(3 / 8)


def test_images_are_added_up_before_anything_is_divided() -> None:
    cases = [random_case(seed, 11, (16, 16 + seed)) for seed in range(6)]
    truth, predicted = (np.concatenate([case[side].ravel() for case in cases])[None] for side in (0, 1))
    np.testing.assert_allclose(matrix(11, *cases).scores().iou, plain_ious(truth, predicted, 11))


def test_merging_parts_is_the_whole_to_the_pixel() -> None:
    cases = [random_case(seed, 19) for seed in range(5)]
    parts = [matrix(19, *cases[:2]), matrix(19, *cases[2:])]
    parts[1].merge(parts[0])
    whole = matrix(19, *cases)
    assert np.array_equal(parts[1].counts, whole.counts)
    assert parts[1].void_pixels == whole.void_pixels
    with pytest.raises(ValueError, match="cannot be merged"):
        whole.merge(ConfusionMatrix(11))


def test_folding_the_matrix_is_mapping_the_pixels() -> None:
    truth, _ = random_case(1, 19)
    _, predicted = random_case(2, 7)
    counted = ConfusionMatrix(19, 7)
    counted.add(truth, predicted)
    truth_to = [*np.random.default_rng(3).integers(0, 4, 17).tolist(), VOID, VOID]
    predicted_to = [3, 2, 1, 0, VOID, 1, 1]
    tables = [np.append(to, [VOID] * (256 - len(to))).astype(np.uint8) for to in (truth_to, predicted_to)]
    mapped = matrix(4, (tables[0][truth], tables[1][predicted]))
    folded = counted.folded(truth_to, predicted_to, 4)
    assert np.array_equal(folded.counts, mapped.counts)
    assert folded.void_pixels == mapped.void_pixels
    with pytest.raises(ValueError, match="fold the matrix first"):
        counted.scores()


def test_nothing_to_measure_is_nan_without_a_warning() -> None:
    scores = matrix(3, (np.full((4, 4), VOID, np.uint8), np.zeros((4, 4), np.uint8))).scores()
    values = (scores.mean_iou, scores.mean_accuracy, scores.frequency_weighted_iou, scores.pixel_accuracy)
    assert np.isnan(values).all()
    assert scores.pixels == 0


@pytest.mark.parametrize(("truth", "predicted"), [(3, 0), (0, 3), (254, 0), (0, 254)])
def test_an_id_of_no_class_is_refused_and_leaves_the_matrix_as_it_was(truth: int, predicted: int) -> None:
    whole = ConfusionMatrix(3)
    with pytest.raises(ValueError, match="out of range"):
        whole.add(np.array([[0, truth]], np.uint8), np.array([[1, predicted]], np.uint8))
    assert whole.counts.sum() == 0
    with pytest.raises(ValueError, match="one size"):
        whole.add(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8))


def test_views_with_strides_are_counted_as_they_look() -> None:
    truth, predicted = random_case(4, 11, (64, 64))
    views = truth[::2, ::-1], predicted[::2, ::-1]
    copies = np.ascontiguousarray(views[0]), np.ascontiguousarray(views[1])
    assert np.array_equal(matrix(11, views).counts, matrix(11, copies).counts)


def test_a_class_that_is_not_in_the_mean_still_costs_the_others() -> None:
    truth, predicted = random_case(1, 7)
    whole = matrix(7, (truth, predicted))
    every, some = whole.scores(), whole.scores(not_in_mean=[2])
    np.testing.assert_array_equal(every.iou, some.iou)
    assert some.mean_iou == pytest.approx(np.nanmean(np.delete(every.iou, 2)), rel=1e-12)
    assert some.mean_accuracy == pytest.approx(np.nanmean(np.delete(every.accuracy, 2)), rel=1e-12)
    assert some.pixel_accuracy == every.pixel_accuracy
