"""What was found in one frame lies where it is in the frames behind it that no network looks at."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from carried_films import CLASSES, HW, one_object, picture, shifted, square, watched, zoomed

from pipeline.config import TrackConfig
from pipeline.image import Image
from pipeline.track import OverTime
from pipeline.track.motion import FlowMotion
from pipeline.track.moved import MovedObjects, moved_labels
from pipeline.types import VOID, Frame, Instances, Labels, Scene


def test_labels_are_where_the_picture_moved_to() -> None:
    frames = [picture(i, shifted(6 * i)) for i in range(7)]
    truths = [square(200 - 6 * i, 80, 60) for i in range(7)]
    seen = watched(frames, lambda frame: Scene(frame, labels=Labels(truths[frame.index], CLASSES)), carry=2)
    assert [scene.frame.carried for scene in seen] == [0, 1, 2, 0, 1, 2, 0]
    for scene, truth in zip(seen, truths, strict=True):
        assert scene.labels is not None
        assert (scene.labels.map != truth).mean() < 0.005
        assert scene.frame.carried or (scene.labels.map == truth).all()
    assert (truths[0] != truths[2]).mean() > 0.015  # held in place they would be wrong


def test_labels_of_large_frames_are_moved_as_well() -> None:
    flow = np.full((9, 16, 2), 0, np.float32)
    flow[..., 0] = 1  # of 16 cells: from the right by a sixteenth
    labels = np.zeros((1080, 1920), np.uint8)
    labels[300:600, 900:1200] = 1
    labels[:, 1900:] = VOID
    motion = FlowMotion(flow, np.full((9, 16), 255, np.uint8), (1080, 1920))
    moved = moved_labels(Labels(labels, CLASSES), motion).map
    assert moved.shape == (1080, 1920)
    expected = np.zeros_like(labels)
    expected[300:600, 780:1080] = 1
    expected[:, 1780:] = VOID  # what comes in is as the edge was
    assert (moved != expected).mean() < 0.002


@pytest.mark.parametrize(("by", "side"), [("shift", 60), ("zoom", 60), ("zoom", 12)])
def test_objects_move_and_grow_with_the_picture(by: str, side: int) -> None:
    matrices = [shifted(5 * i) if by == "shift" else zoomed(1.04**i) for i in range(4)]
    corner = 120 - side // 2, 130 - side // 2
    seen = watched(
        [picture(i, m) for i, m in enumerate(matrices)], lambda f: Scene(f, one_object(*corner, side)), carry=3
    )
    for scene, matrix in zip(seen, matrices, strict=True):
        assert scene.instances is not None
        first = cv2.invertAffineTransform(matrices[0])  # of the first picture into the texture
        corners = np.array([corner, (corner[0] + side, corner[1] + side)], np.float64)
        expected = (matrix[:, :2] @ (first[:, :2] @ corners.T + first[:, 2:]) + matrix[:, 2:]).T
        assert np.abs(scene.instances.boxes_xyxy.reshape(2, 2) - expected).max() < 1.5
        x0, y0, x1, y1 = scene.instances.crops_px[0].tolist()
        assert scene.instances.mask(0).shape == (y1 - y0, x1 - x0)
        middle, radius = expected.mean(0), (expected[1] - expected[0]).mean() / 2 - 1
        across = np.indices(HW)[::-1] + 0.5 - middle[:, None, None]
        disc = (across**2).sum(0) < radius**2
        mask = scene.instances.full_mask(0, HW)
        assert (disc & mask).sum() / (disc | mask).sum() > (0.9 if side > 20 else 0.7)


def test_what_leaves_the_picture_is_gone_and_an_object_without_a_mask_keeps_its_box() -> None:
    flow = np.zeros((24, 32, 2), np.float32)
    flow[..., 0] = 3  # of 32 cells of 10 pixels: everything moves 30 to the left
    motion = FlowMotion(flow, np.full((24, 32), 255, np.uint8), HW)
    boxes = np.array([[0, 50, 29, 90], [20, 100, 60, 140], [200, 20, 240, 60]], np.float32)
    crops = np.array([[0, 50, 29, 90], [20, 100, 60, 140], [200, 20, 200, 20]], np.int32)
    areas = [29 * 40, 40 * 40, 0]
    found = Instances(
        boxes,
        np.array([0.9, 0.8, 0.7], np.float32),
        np.array([1, 0, 1], np.int32),
        crops,
        np.full(sum(areas), 255, np.uint8),
        np.cumsum([0, *areas]),
        CLASSES,
    )
    moved = MovedObjects(found, HW)(motion)
    assert moved.boxes_xyxy.round().tolist() == [[0, 100, 30, 140], [170, 20, 210, 60]]
    assert moved.class_ids.tolist() == [0, 1]
    assert moved.scores.tolist() == found.scores[1:].tolist()
    assert moved.full_mask(0, HW)[100:140, 0:30].all()
    assert moved.mask(1).size == 0
    right = FlowMotion(-flow, np.full((24, 32), 255, np.uint8), HW)
    assert len(MovedObjects(one_object(292, 50, 28), HW)(right)) == 0
    nothing = MovedObjects(found.take(np.array([], np.intp)), HW)(motion)
    assert len(nothing) == 0
    assert nothing.boxes_xyxy.shape == (0, 4)


@pytest.mark.parametrize(("pixels", "factor"), [(0.4, 1), (-0.3, 1), (1.2, 6)])
def test_what_moves_less_than_a_pixel_a_frame_does_not_stay_behind(pixels: float, factor: int) -> None:
    size = HW[0] * factor, HW[1] * factor
    back = np.full((*HW, 2), 0, np.float32)
    back[..., 0] = -pixels / factor  # as the flow of small pictures of large frames
    motion = FlowMotion(back, np.full(HW, 255, np.uint8), size)
    labels = np.repeat(np.repeat(square(100, 80, 60), factor, 0), factor, 1)
    found = one_object(100, 80, 60)
    if factor > 1:
        box = found.crops_px * factor
        mask = np.repeat(np.repeat(found.mask(0), factor, 0), factor, 1).reshape(-1)
        found = replace(
            found, boxes_xyxy=box.astype(np.float32), crops_px=box, arena=mask, offset=np.array([0, mask.size])
        )
    over_time, image = (
        OverTime(TrackConfig(carry=20), lambda: 0.25),
        Image((np.zeros((*size, 3), np.uint8),), "bgr24"),
    )
    frames = [Frame(i, i, Fraction(1, 10), 0.0, image, carried=i, motion=motion if i else None) for i in range(21)]
    *_, last = [
        over_time(Scene(frame) if frame.carried else Scene(frame, found, Labels(labels, CLASSES))) for frame in frames
    ]
    assert last.labels is not None
    assert last.instances is not None
    moved = round(20 * pixels)
    assert (last.labels.map == np.roll(labels, moved, 1)).mean() > 0.998
    assert np.abs(last.instances.boxes_xyxy - found.boxes_xyxy - (moved, 0, moved, 0)).max() < 0.1
    mask, was = last.instances.full_mask(0, size), found.full_mask(0, size)
    assert (mask == np.roll(was, moved, 1)).mean() > 0.998
    assert mask.sum() == pytest.approx(was.sum(), rel=0.02)
    assert np.abs(last.instances.crops_px - found.crops_px - (moved, 0, moved, 0)).max() <= 1  # it does not grow


def test_an_object_that_is_smaller_than_a_cell_moves_as_what_is_around_it() -> None:
    back = np.zeros((*HW, 2), np.float32)
    back[120:, 160:] = 2, -1  # of a quarter of the picture, in cells of 6 pixels: to the left and down
    motion = FlowMotion(back, np.full(HW, 255, np.uint8), (HW[0] * 6, HW[1] * 6))
    for corner, moved in (((1501, 1001), (-12, 6)), ((301, 1001), (0, 0)), ((1501, 301), (0, 0))):
        found = one_object(*corner, 3)
        now = MovedObjects(found, (HW[0] * 6, HW[1] * 6))(motion)
        assert np.abs(now.boxes_xyxy - found.boxes_xyxy - (*moved, *moved)).max() < 0.01


def test_labels_that_stand_still_stay_where_they_are_however_large() -> None:
    labels = square(101, 83, 60)
    labels = np.repeat(np.repeat(labels, 8, 0), 8, 1)[3:1923, 5:2565]  # edges are on no cell of the grid
    motion = FlowMotion(np.zeros((240, 320, 2), np.float32), np.full((240, 320), 255, np.uint8), labels.shape)
    moved = moved_labels(Labels(labels, CLASSES), motion).map
    for axis in (0, 1):
        at, was = np.flatnonzero(moved.any(axis)), np.flatnonzero(labels.any(axis))
        assert abs(at.mean() - was.mean()) <= 1
