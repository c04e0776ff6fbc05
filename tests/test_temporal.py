"""Temporal consistency and flicker: exact where the motion is known, near it where optical flow has to find it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import dashmask
from numpy.typing import NDArray

from pipeline.image import Image
from pipeline.metrics.temporal import TemporalConsistency
from pipeline.optical_flow import DisFlow, followed, grey, shrunk
from pipeline.types import VOID

HW = (60, 80)


class Shift:
    """The flow of a film that is shifted by (x, y) pixels a frame, told without looking."""

    def __init__(self, x: float, y: float) -> None:
        self._shift = np.array([x, y], np.float32)
        self._back = True  # asked for the way back first, then for the way there

    def __call__(self, picture: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
        sign, self._back = (-1 if self._back else 1), not self._back
        return np.broadcast_to(sign * self._shift, (*picture.shape, 2)).copy()


def still(picture: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.zeros((*picture.shape, 2), np.float32)


def world(seed: int = 0, hw: tuple[int, int] = (200, 260)) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture with texture at every scale, and labels of it in blocks."""
    rng = np.random.default_rng(seed)
    picture = sum(
        cv2.resize(rng.normal(0, 1, (hw[0] // k + 2, hw[1] // k + 2)), hw[::-1], interpolation=cv2.INTER_CUBIC) * k
        for k in (2, 4, 8, 16)
    )
    span = np.asarray(picture - picture.min())
    cells = rng.integers(0, 4, (hw[0] // 12 + 1, hw[1] // 12 + 1)).astype(np.uint8)
    labels = np.kron(cells, np.ones((12, 12), np.uint8))[: hw[0], : hw[1]]
    return (span * 255 / span.max()).astype(np.uint8), np.ascontiguousarray(labels)


def film(shift: tuple[int, int], frames: int = 5) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """A window that moves over the world, so that what is seen moves the other way: by `shift` (x, y) a frame."""
    picture, labels = world()
    (x, y), (height, width) = shift, HW
    views = [(slice(60 - k * y, 60 - k * y + height), slice(60 - k * x, 60 - k * x + width)) for k in range(frames)]
    return [(np.ascontiguousarray(picture[view]), np.ascontiguousarray(labels[view])) for view in views]


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (0, -4), (-2, 5)])
def test_labels_that_move_with_the_surface_are_perfectly_consistent(shift: tuple[int, int]) -> None:
    counted = TemporalConsistency(4, Shift(*shift))
    for picture, labels in film(shift):
        counted.add(picture, labels)
    scores = counted.scores()
    assert (scores.mean_iou, scores.mean_iou_seen, scores.flicker, scores.blink) == (1, 1, 0, 0)
    inside = (HW[0] - abs(shift[1])) * (HW[1] - abs(shift[0]))
    assert scores.seen == pytest.approx(inside / (HW[0] * HW[1]))
    assert scores.pairs == 4


def test_labels_that_stay_while_the_surface_moves_cost_exactly_their_overlap() -> None:
    counted = TemporalConsistency(4, Shift(3, 0))
    labels = film((0, 0), 1)[0][1]
    for picture, _ in film((3, 0), 3):
        counted.add(picture, labels)
    moved, now = labels[:, :-3], labels[:, 3:]
    iou = [((moved == k) & (now == k)).sum() / ((moved == k) | (now == k)).sum() for k in range(4)]
    scores = counted.scores()
    assert scores.iou.tolist() == pytest.approx(iou)
    assert scores.mean_iou == pytest.approx(np.mean(iou))
    assert scores.flicker == pytest.approx(np.mean(moved != now))


def test_flicker_and_blinks_are_counted_to_the_pixel() -> None:
    quiet = np.zeros(HW, np.uint8)
    blink, stay = quiet.copy(), quiet.copy()
    blink[10:20, 10:20] = 1  # for one frame
    stay[30:35, 30:40] = 2  # from then on
    frames = [quiet, np.maximum(blink, stay), stay, stay]
    counted = TemporalConsistency(3, still)
    picture = world()[0][: HW[0], : HW[1]]
    flickers = [counted.add(picture, labels) for labels in frames]
    pixels = HW[0] * HW[1]
    assert np.isnan(flickers[0])
    assert flickers[1:] == [150 / pixels, 100 / pixels, 0]
    scores = counted.scores()
    assert scores.flicker == 250 / (3 * pixels)
    assert scores.blink == 100 / (2 * pixels)  # of the pixels known over three frames
    assert scores.seen == 1


def test_a_blink_is_followed_where_it_moves() -> None:
    frames = film((4, 2), 3)
    labels = [labels.copy() for _, labels in frames]
    labels[1][20:30, 20:30] = (labels[1][20:30, 20:30] + 1) % 4
    counted = TemporalConsistency(4, Shift(4, 2))
    for (picture, _), map in zip(frames, labels, strict=True):
        counted.add(picture, map)
    inside = (HW[0] - 2) * (HW[1] - 4)
    thrice = (HW[0] - 4) * (HW[1] - 8)
    scores = counted.scores()
    assert scores.flicker == 200 / (2 * inside)
    assert scores.blink == pytest.approx(100 / thrice)


def test_void_is_not_compared_and_a_cut_begins_anew() -> None:
    a, b = np.zeros(HW, np.uint8), np.ones(HW, np.uint8)
    b[:30] = VOID
    picture = world()[0][: HW[0], : HW[1]]
    counted = TemporalConsistency(2, still)
    counted.add(picture, a)
    assert counted.add(picture, b) == 1
    assert counted.scores().seen == 0.5
    counted.cut()
    assert np.isnan(counted.add(picture, a))
    assert np.isnan(counted.add(picture[:40], a[:40]))  # another size is another film
    assert counted.scores().pairs == 1
    nothing = TemporalConsistency(2, still).scores()
    assert np.isnan([nothing.mean_iou, nothing.flicker, nothing.blink, nothing.seen]).all()
    with pytest.raises(ValueError, match="picture"):
        counted.add(picture, a[:10])


def test_what_something_in_front_covers_is_not_followed() -> None:
    """A square moves 6 pixels to the right over a still ground; flow is told exactly."""
    square = np.zeros(HW, bool)
    square[20:40, 20:40] = True
    later = np.roll(square, 6, 1)
    back, there = np.zeros((*HW, 2), np.float32), np.zeros((*HW, 2), np.float32)
    back[later] = (-6, 0)
    there[square] = (6, 0)
    seen = followed(back, there)
    uncovered = square & ~later
    assert not seen[uncovered].any()
    assert seen[~uncovered].all()


def test_real_flow_finds_a_known_shift() -> None:
    frames = film((3, -2), 4)
    counted = TemporalConsistency(4)
    for picture, labels in frames:
        counted.add(picture, labels)
    scores = counted.scores()
    assert scores.mean_iou_seen > 0.97
    assert scores.flicker < 0.015
    assert scores.seen > 0.8
    wrong = TemporalConsistency(4, still)
    for picture, labels in frames:
        wrong.add(picture, labels)
    assert wrong.scores().mean_iou < 0.75  # without the flow the shift would pass for flicker
    flow = DisFlow()(frames[1][0], frames[0][0])
    assert np.median(flow.reshape(-1, 2), axis=0) == pytest.approx([-3, 2], abs=0.2)


def test_the_flow_of_a_large_picture_is_that_of_a_small_one() -> None:
    picture, labels = world(hw=(800, 1400))
    moved = [
        np.ascontiguousarray(image[20:740, 40 - 8 * k : 1320 - 8 * k]) for k in (0, 1) for image in (picture, labels)
    ]
    assert shrunk(moved[0], 640).shape == (360, 640)
    counted = TemporalConsistency(4)
    counted.add(moved[0], moved[1])
    assert counted.add(moved[2], moved[3]) < 0.03
    assert counted.scores().seen > 0.9


@pytest.mark.parametrize("hw", [(1, 1), (12, 48), (16, 200), (12, 640), (31, 5), (100, 700)])
def test_pictures_of_any_shape_are_followed(hw: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, hw).astype(np.uint8)
    counted = TemporalConsistency(2)
    counted.add(picture, np.zeros(hw, np.uint8))
    assert counted.add(picture, np.zeros(hw, np.uint8)) == 0


def test_brightness_is_the_luma_plane_where_there_is_one() -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    yuv = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    planes = (yuv[:6], np.zeros((3, 4), np.uint8), np.zeros((3, 4), np.uint8))
    assert (grey(Image(planes, "yuv420p")) == yuv[:6]).all()
    assert (grey(Image((bgr,), "bgr24")) == cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)).all()


def test_the_command_measures_any_clip(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    out = tmp_path / "s.json"
    said = dashmask("stability", clip, "-m", models[0], "--json", out, "--frames", 8, "--backend", "onnxruntime-cpu")
    assert said.code == 0, said.err
    what = json.loads(out.read_text())
    assert what["temporal"]["pairs"] == 7
    assert 0 <= what["temporal"]["flicker"] <= 1
    assert what["temporal"]["cost_ms"]["samples"] == 8
    assert "flicker" in said.out
    said = dashmask("stability", clip, "-m", models[1], "--backend", "onnxruntime-cpu")
    assert (said.code, "finds objects" in said.err) == (2, True)
    said = dashmask("stability", clip, "-m", models[0], "--frames", 1, "--backend", "onnxruntime-cpu")
    assert (said.code, said.out, "there were no two" in said.err) == (0, "", True)
    said = dashmask("stability", clip, "-m", models[0], "--json", tmp_path / "no/s.json")
    assert (said.code, "folder" in said.err) == (2, True)
    said = dashmask("stability", clip, "-m", models[0], "--json", clip)
    assert (said.code, "is what is read" in said.err) == (2, True)


def test_true_labels_of_a_real_film_are_far_steadier_than_shuffled_ones(shared: Path) -> None:
    folder = shared / "data/camvid/CamVid"
    names = sorted(path.name for path in (folder / "val").glob("*.png"))[:6]
    frames = []
    for name in names:
        labels = cv2.imread(str(folder / "valannot" / name), cv2.IMREAD_GRAYSCALE)
        picture = cv2.imread(str(folder / "val" / name), cv2.IMREAD_GRAYSCALE)
        frames.append((np.asarray(picture), np.where(labels == 11, VOID, labels).astype(np.uint8)))
    steady, shaken = TemporalConsistency(11), TemporalConsistency(11)
    for k, (picture, labels) in enumerate(frames):
        steady.add(picture, labels)
        shaken.add(picture, labels if k % 2 else cv2.flip(labels, 1))
    assert steady.scores().mean_iou > 0.8
    assert steady.scores().flicker < 0.04
    assert shaken.scores().flicker > 0.3
    assert shaken.scores().blink > 0.3
