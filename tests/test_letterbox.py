"""Where a frame lies in a network's input, and the way back."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.letterbox import Letterbox
from pipeline.placement import network_size, place
from pipeline.types import InputSpec

SIZES = [(720, 1280), (374, 1242), (1242, 374), (540, 960), (360, 480), (375, 1241), (288, 352), (1, 3000), (7, 5)]


@pytest.mark.parametrize(
    ("frame_hw", "network_hw", "content_hw", "top", "left"),
    [
        ((720, 1280), (384, 640), (360, 640), 12, 0),
        ((720, 1280), (640, 640), (360, 640), 140, 0),
        ((374, 1242), (224, 640), (193, 640), 15, 0),  # 31 rows of padding: the odd one goes below
        ((1242, 374), (640, 224), (640, 193), 0, 15),
        ((720, 1280), (512, 1024), (512, 910), 0, 57),
        ((360, 480), (480, 640), (480, 640), 0, 0),  # enlarged
        ((1, 3000), (640, 640), (1, 640), 319, 0),  # never less than a row
    ],
)
def test_a_frame_lies_where_ultralytics_puts_it(
    frame_hw: tuple[int, int], network_hw: tuple[int, int], content_hw: tuple[int, int], top: int, left: int
) -> None:
    assert place(frame_hw, network_hw) == Letterbox(frame_hw, network_hw, content_hw, top, left)


def test_a_stretched_frame_fills_the_input() -> None:
    assert place((720, 1280), (512, 1024), "stretch") == Letterbox((720, 1280), (512, 1024), (512, 1024), 0, 0)


@pytest.mark.parametrize(
    ("frame_hw", "expected"),
    [
        ((720, 1280), (384, 640)),
        ((1280, 720), (640, 384)),
        ((374, 1242), (224, 640)),
        ((360, 480), (480, 640)),
        ((640, 634), (640, 640)),
        ((1, 3000), (32, 640)),
        ((90, 160), (384, 640)),
    ],
)
def test_a_free_input_follows_the_footage(frame_hw: tuple[int, int], expected: tuple[int, int]) -> None:
    assert network_size(frame_hw, InputSpec("images")) == expected


def test_a_fixed_input_stays_as_it_is() -> None:
    assert network_size((720, 1280), InputSpec("images", size_hw=(512, 1024))) == (512, 1024)


def test_one_fixed_side_decides_the_other() -> None:
    assert network_size((720, 1280), InputSpec("images", size_hw=(360, None))) == (360, 640)
    assert network_size((720, 1280), InputSpec("images", size_hw=(None, 1024))) == (576, 1024)


def test_a_long_side_between_two_strides_goes_up() -> None:
    assert network_size((720, 1280), InputSpec("images", long_side=650, stride=32)) == (384, 672)


@pytest.mark.parametrize("frame_hw", SIZES)
@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_boxes_survive_the_way_there_and_back(frame_hw: tuple[int, int], fit: str) -> None:
    height, width = frame_hw
    corners = np.random.default_rng(0).random((50, 4)) * [width, height, width, height]
    boxes = np.hstack([np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])])
    boxes = boxes.astype(np.float32)
    letterbox = place(frame_hw, network_size(frame_hw, InputSpec("images")), fit)
    np.testing.assert_allclose(letterbox.boxes_to_frame(letterbox.boxes_to_network(boxes)), boxes, atol=2e-3)


def test_boxes_end_at_the_frame() -> None:
    letterbox = place((720, 1280), (640, 640))
    everything = np.array([[-50, -50, 700, 700]], np.float32)
    assert letterbox.boxes_to_frame(everything).tolist() == [[0, 0, 1280, 720]]


@pytest.mark.parametrize("frame_hw", SIZES)
@pytest.mark.parametrize("grid_stride", [1, 4, 8, 32])
def test_every_pixel_finds_the_cell_under_its_centre(frame_hw: tuple[int, int], grid_stride: int) -> None:
    letterbox = place(frame_hw, network_size(frame_hw, InputSpec("images")))
    grid_hw = letterbox.network_hw[0] // grid_stride, letterbox.network_hw[1] // grid_stride
    found = letterbox.cells(grid_hw)
    for axis, placed in enumerate((letterbox.top, letterbox.left)):
        content, frame = letterbox.content_hw[axis], frame_hw[axis]
        exact = [
            floor((Fraction(2 * i + 1, 2) * Fraction(content, frame) + placed) / grid_stride) for i in range(frame)
        ]
        assert found[axis].tolist() == exact
        assert 0 <= found[axis].min() <= found[axis].max() < grid_hw[axis]


def test_a_grid_is_an_affine_map_away() -> None:
    letterbox = place((720, 1280), (640, 640))
    assert letterbox.to_grid((160, 160)) == (0.125, 0.125, 0.0, 35.0)


@pytest.mark.parametrize("sizes", [((0, 10), (32, 32)), ((10, 10), (0, 32))])
def test_nothing_cannot_be_placed(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(UserError, match="cannot place a frame of"):
        place(*sizes)
