"""The drawn drive: deterministic, endless, and its truth exact."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from pipeline.classes import DRIVING, THINGS
from pipeline.errors import SourceError
from pipeline.sources.demo import Demo
from pipeline.sources.demo.conditions import conditions_of
from pipeline.sources.demo.layout import make_road
from pipeline.sources.demo.stock import Stock
from pipeline.sources.demo.town import Town
from pipeline.sources.demo.traffic import Traffic
from pipeline.sources.demo.truth import LEAST_PX
from pipeline.types import VOID, Frame, Instances

SMALL = (180, 320)


def drive(seed: int, count: int, size_hw: tuple[int, int] = SMALL, fps: float = 25.0) -> list[Frame]:
    with Demo(seed, count, size_hw, fps) as frames:
        return list(frames)


def labels_of(frame: Frame) -> NDArray[np.uint8]:
    assert frame.truth is not None
    assert frame.truth.labels is not None
    return frame.truth.labels.map


def instances_of(frame: Frame) -> Instances:
    assert frame.truth is not None
    assert frame.truth.instances is not None
    return frame.truth.instances


@pytest.fixture(scope="module")
def drives() -> list[list[Frame]]:
    """Twelve seconds (300 frames at 25/s) of three seeds, drawn at 4/s: sunny city, overcast suburb, dusk country."""
    return [drive(seed, 48, fps=4.0) for seed in range(3)]


@pytest.fixture
def frames(drives: list[list[Frame]]) -> list[Frame]:
    """All their frames."""
    return list(itertools.chain(*drives))


def test_the_same_seed_gives_the_same_bytes() -> None:
    for one, other in zip(drive(4, 6), drive(4, 6), strict=True):
        assert np.array_equal(one.image.bgr(), other.image.bgr())
        assert np.array_equal(labels_of(one), labels_of(other))
        assert np.array_equal(instances_of(one).arena, instances_of(other).arena)
        assert np.array_equal(instances_of(one).boxes_xyxy, instances_of(other).boxes_xyxy)


def test_opening_it_again_starts_the_same_drive_again() -> None:
    demo = Demo(5, 3, (90, 160))
    with demo as frames:
        first = [frame.image.bgr() for frame in frames]
    with demo as frames:
        again = [frame.image.bgr() for frame in frames]
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


def test_seeds_differ_in_light_and_in_what_is_there(drives: list[list[Frame]]) -> None:
    firsts = [frames[0] for frames in drives]
    brightness = [float(frame.image.bgr().mean()) for frame in firsts]
    assert max(brightness) - min(brightness) > 20
    for one, other in itertools.combinations(firsts, 2):
        assert np.mean(labels_of(one) != labels_of(other)) > 0.1


def test_every_pixel_has_a_class_or_is_void(frames: list[Frame]) -> None:
    for frame in frames:
        labels = labels_of(frame)
        assert labels.shape == SMALL
        assert labels.dtype == np.uint8
        assert np.all((labels < len(DRIVING)) | (labels == VOID))
        assert np.mean(labels == VOID) < 0.25


def test_masks_lie_on_their_class_and_never_on_each_other(frames: list[Frame]) -> None:
    for frame in frames:
        labels, instances = labels_of(frame), instances_of(frame)
        owners = np.zeros(SMALL, np.int32)
        for index in range(len(instances)):
            mask = instances.full_mask(index, SMALL)
            owners += mask
            assert np.all(labels[mask] == instances.class_ids[index])
        assert owners.max(initial=0) <= 1


def test_boxes_and_crops_are_tight_around_the_visible_pixels(frames: list[Frame]) -> None:
    for frame in frames:
        instances = instances_of(frame)
        for index in range(len(instances)):
            rows, columns = np.nonzero(instances.full_mask(index, SMALL))
            tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert instances.boxes_xyxy[index].tolist() == tight
            assert instances.crops_px[index].tolist() == tight
            assert set(np.unique(instances.mask(index))) <= {0, 255}


def test_all_but_the_smallest_things_are_instances(frames: list[Frame]) -> None:
    for frame in frames:
        labels, instances = labels_of(frame), instances_of(frame)
        assert set(instances.class_ids.tolist()) <= set(THINGS)
        assert np.all(instances.scores == 1.0)
        left = np.isin(labels, THINGS)
        for index in range(len(instances)):
            mask = instances.full_mask(index, SMALL)
            assert np.count_nonzero(mask) >= LEAST_PX
            left &= ~mask
        assert np.mean(left) < 0.005


def test_the_main_classes_all_appear_within_twelve_seconds_of_three_seeds(frames: list[Frame]) -> None:
    seen = {DRIVING.names[k] for frame in frames for k in np.unique(labels_of(frame)).tolist() if k != VOID}
    assert seen >= set(DRIVING.names) - {"train", "motorcycle"}


def test_the_car_ahead_moves_smoothly() -> None:
    frames = drive(0, 50)
    instances = instances_of(frames[0])
    middle = (instances.boxes_xyxy[:, 0] + instances.boxes_xyxy[:, 2]) / 2
    wide = instances.boxes_xyxy[:, 2] - instances.boxes_xyxy[:, 0]
    ahead = int(np.argmax(wide - 3 * np.abs(middle - SMALL[1] / 2)))
    box, class_id = instances.boxes_xyxy[ahead], instances.class_ids[ahead]
    assert DRIVING.names[class_id] == "car"
    for frame in frames[1:]:
        others = instances_of(frame)
        overlaps = [iou(box, other) for other in others.boxes_xyxy]
        best = int(np.argmax(overlaps))
        assert overlaps[best] > 0.75
        assert others.class_ids[best] == class_id
        box = others.boxes_xyxy[best]


def iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return float(shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared))


@pytest.mark.parametrize("size_hw", [(360, 640), (361, 643), (375, 1242), (200, 96), (32, 32)])
def test_any_size_works(size_hw: tuple[int, int]) -> None:
    for frame in drive(3, 2, size_hw):
        assert frame.image.size_hw == labels_of(frame).shape == size_hw
        assert frame.image.bgr().shape == (*size_hw, 3)
        assert len(np.unique(labels_of(frame))) > 4


def test_frames_are_counted_and_timed() -> None:
    demo = Demo(0, 4, (90, 160), 29.97)
    assert not demo.live
    assert demo.info.frames == 4
    assert demo.info.size_hw == (90, 160)
    with demo as frames:
        got = list(frames)
    assert [frame.index for frame in got] == [frame.pts for frame in got] == [0, 1, 2, 3]
    assert got[3].time_base == Fraction(100, 2997)
    assert got[3].pts_s == pytest.approx(3 / 29.97)
    assert got[0].captured_s < got[3].captured_s


def test_a_frame_handed_on_is_never_written_to() -> None:
    with Demo(0, 6, (90, 160)) as frames:
        first = next(frames)
        before = first.image.bgr().copy(), labels_of(first).copy(), instances_of(first).arena.copy()
        list(frames)
    after = first.image.bgr(), labels_of(first), instances_of(first).arena
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_drive_has_no_end_and_does_not_grow() -> None:
    demo = Demo(4, None, (64, 112), 2.0)  # 5 metres a frame
    assert demo.info.frames is None
    process = psutil.Process()
    with demo as frames:
        list(itertools.islice(frames, 100))
        begins = process.memory_info().rss
        assert len(list(itertools.islice(frames, 120))) == 120
        grown = process.memory_info().rss - begins
    assert grown < 25e6


def test_what_is_behind_is_forgotten() -> None:
    conditions = conditions_of(3)
    stock, road = Stock(conditions, (32, 32)), make_road(conditions)
    town = Town(stock, road)
    traffic = Traffic(stock, road, town)
    alive = []
    for step in range(600):  # 6 km
        town.advance(10.0 * step)
        traffic.step(10.0 * step, step, 1.0)
        alive.append(len(town.things()) + len(traffic.people) + len(traffic.vehicles()))
    assert max(alive[300:]) < 1.5 * max(alive[:100])


def test_a_drive_that_was_left_stops() -> None:
    with Demo(0, None, (90, 160)) as frames:
        next(frames)
    assert list(frames) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"frames": -1},
        {"size_hw": (0, 640)},
        {"size_hw": (720, 99999)},
        {"fps": 0.0},
        {"fps": float("nan")},
    ],
)
def test_what_cannot_be_drawn_is_said(wrong: dict[str, float]) -> None:
    with pytest.raises(SourceError):
        Demo(**wrong)  # type: ignore[arg-type]
