"""Run lengths are COCO's, byte for byte."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pipeline.rle import decode, decode_crop, encode_crop, encode_instances, encode_labels, runs_crop
from pipeline.types import VOID, Classes, Instances

U8 = NDArray[np.uint8]
SIDES = st.integers(1, 40)


def coco() -> Any:
    return pytest.importorskip(
        "pycocotools.mask", reason="no pycocotools, the reference for run lengths: install the extra `eval`"
    )


def reference(mask: NDArray[Any]) -> str:
    text: bytes = coco().encode(np.asfortranarray((mask != 0).astype(np.uint8)))["counts"]
    return text.decode()


def in_frame(crop: U8, at_xy: tuple[int, int], frame_hw: tuple[int, int]) -> U8:
    frame = np.zeros(frame_hw, np.uint8)
    frame[at_xy[1] : at_xy[1] + crop.shape[0], at_xy[0] : at_xy[0] + crop.shape[1]] = crop
    return frame


@st.composite
def crops(draw: st.DrawFn) -> tuple[U8, tuple[int, int], tuple[int, int]]:
    """A mask of 0 and 255, its place, and the frame it lies in; often touching the frame's edges."""
    height, width = draw(SIDES), draw(SIDES)
    inside = draw(hnp.arrays(np.bool_, (height, width)))
    above, below, left, right = (draw(st.sampled_from([0, 0, 1, 7])) for _ in range(4))
    crop = np.where(inside, np.uint8(255), np.uint8(0))
    return crop, (left, above), (above + height + below, left + width + right)


@settings(max_examples=300, deadline=None)
@given(crops())
def test_a_crop_has_the_counts_of_the_whole_mask(case: tuple[U8, tuple[int, int], tuple[int, int]]) -> None:
    crop, at_xy, frame_hw = case
    whole = in_frame(crop, at_xy, frame_hw)
    counts = encode_crop(crop, at_xy, frame_hw)
    assert counts == reference(whole)
    assert np.array_equal(decode(counts, frame_hw), whole != 0)


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(SIDES, SIDES), elements=st.sampled_from([0, 1, 2, 4, VOID])))
def test_every_class_of_a_label_map_has_the_counts_of_its_own_mask(labels: U8) -> None:
    got = encode_labels(labels, 5)
    assert got == {c: reference(labels == c) for c in range(5) if (labels == c).any()}


@settings(max_examples=200, deadline=None)
@given(crops())
def test_a_mask_comes_back_as_the_smallest_crop(case: tuple[U8, tuple[int, int], tuple[int, int]]) -> None:
    crop, at_xy, frame_hw = case
    whole = in_frame(crop, at_xy, frame_hw)
    mask, (x0, y0, x1, y1) = decode_crop(encode_crop(crop, at_xy, frame_hw), frame_hw)
    assert np.array_equal(in_frame(mask, (x0, y0), frame_hw), whole)
    assert mask.shape == (y1 - y0, x1 - x0)
    if mask.size:
        assert mask[0].any()
        assert mask[-1].any()
        assert mask[:, 0].any()
        assert mask[:, -1].any()


def test_the_corner_cases_are_cocos() -> None:
    height, width = 720, 1280
    frame_hw = (height, width)
    one_pixel = np.full((1, 1), 255, np.uint8)
    for crop, at_xy in [
        (np.zeros((0, 0), np.uint8), (5, 5)),
        (np.zeros((9, 0), np.uint8), (5, 5)),
        (np.zeros((30, 40), np.uint8), (5, 5)),
        (np.full(frame_hw, 255, np.uint8), (0, 0)),
        (np.full((height, 3), 255, np.uint8), (7, 0)),
        (one_pixel, (0, 0)),
        (one_pixel, (width - 1, height - 1)),
        (one_pixel, (width - 1, 0)),
        (one_pixel, (0, height - 1)),
    ]:
        assert encode_crop(crop, at_xy, frame_hw) == reference(in_frame(crop, at_xy, frame_hw))
    assert encode_crop(np.ones((4, 4), np.bool_), (0, 0), (4, 4)) == reference(np.ones((4, 4)))


def test_counts_of_every_length_are_cocos() -> None:
    for bits in range(1, 24):
        for pixels in {2**bits - 1, 2**bits, 2**bits + 1}:
            frame_hw = (1, pixels + 3)
            crop = np.full((1, 1), 255, np.uint8)
            for x in (0, pixels // 2, pixels):
                counts = encode_crop(crop, (x, 0), frame_hw)
                assert decode(counts, frame_hw)[0, x]
                if bits < 18:
                    assert counts == reference(in_frame(crop, (x, 0), frame_hw))


def test_counts_known_by_heart() -> None:
    """From the definition in maskApi.c, without the reference: 6 zeros, 1 one, 40 zeros is "61X1"."""
    assert encode_crop(np.full((1, 1), 255, np.uint8), (6, 0), (1, 47)) == "61X1"
    assert encode_labels(np.full((2, 3), 1, np.uint8), 2) == {1: "06"}


def test_objects_of_a_frame_are_encoded_like_their_full_masks() -> None:
    rng = np.random.default_rng(3)
    frame_hw, masks, boxes = (720, 1280), [], []
    for _ in range(26):
        height, width = rng.integers(1, 300, 2).tolist()
        x, y = int(rng.integers(0, 1280 - width + 1)), int(rng.integers(0, 720 - height + 1))
        mask = np.zeros((height, width), np.uint8)
        cv2.ellipse(mask, (width // 2, height // 2), (width // 2, height // 2), 30, 0, 360, 255, -1)
        masks.append(mask.reshape(-1))
        boxes.append([x, y, x + width, y + height])
    found = Instances(
        boxes_xyxy=np.array(boxes, np.float32),
        scores=np.linspace(0.9, 0.3, 26, dtype=np.float32),
        class_ids=np.zeros(26, np.int32),
        crops_px=np.array(boxes, np.int32),
        arena=np.concatenate(masks),
        offset=np.cumsum([0, *(m.size for m in masks)], dtype=np.int64),
        classes=Classes(("car",), ((0, 0, 142),)),
    )
    counts = encode_instances(found, frame_hw)
    assert counts == [reference(found.full_mask(i, frame_hw)) for i in range(26)]


def test_noise_at_full_size_is_cocos() -> None:
    labels = np.random.default_rng(1).integers(0, 20, (360, 641)).astype(np.uint8)
    assert encode_labels(labels, 19) == {c: reference(labels == c) for c in range(19)}


def test_a_crop_outside_its_frame_is_refused() -> None:
    for at_xy in [(-1, 0), (0, -1), (7, 0), (0, 7)]:
        with pytest.raises(ValueError, match="not inside"):
            encode_crop(np.ones((4, 4), np.uint8), at_xy, (10, 10))


@pytest.mark.parametrize("text", ["", "6", "61X", "61X1\x7f", "6ä", "~~~", "P" * 20 + "1", "0O1"])
def test_text_that_is_no_run_lengths_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="run lengths"):
        decode(text, (1, 47))
    with pytest.raises(ValueError, match="run lengths"):
        decode_crop(text, (1, 47))


def test_runs_that_fill_the_frame_only_with_a_negative_one_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fill"):
        runs_crop(np.array([50, -3]), (1, 47))
