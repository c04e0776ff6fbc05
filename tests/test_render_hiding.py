"""What is blurred or cut away is lost, and the rest of the picture stays."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scenes_to_draw import CITY, U8, UNTOUCHED, changed, ellipses, frame, planes_of, render, some, street, yuv

from pipeline.image import Image
from pipeline.render.canvas import Palette
from pipeline.render.privacy import margin_px
from pipeline.types import Classes, Labels, Scene


def detail(plane: U8, where: NDArray[np.bool_], scale_px: int) -> float:
    """Energy of what is finer than a scale, inside a mask."""
    exact = plane.astype(np.float32)
    fine = exact - cv2.blur(exact, (scale_px, scale_px))
    return float((fine[where] ** 2).mean())


@pytest.mark.parametrize("size_hw", [(720, 1280), (360, 480), (375, 1241)])
@pytest.mark.parametrize("by", ["instances", "labels", "both"])
def test_blur_destroys_detail_inside_and_leaves_the_rest(size_hw: tuple[int, int], by: str) -> None:
    height, width = size_hw
    x0, y0, x1, y1 = box = (width // 4 | 1, height // 4, width // 4 + height // 3, height // 4 + height // 2)
    found = ellipses([box, (width - 90, 10, width - 9, 60)], [0, 1])
    inside = found.full_mask(0, size_hw)
    ids = np.zeros(size_hw, np.uint8)
    ids[inside] = 1
    labels = Labels(ids, Classes(("road", "person"), CITY.colours[:2]))
    image = yuv(*size_hw, "yuv444p")
    scene = Scene(frame(image), found if by != "labels" else None, labels if by != "instances" else None)
    picture = render(scene, **UNTOUCHED | {"blur": ("person",)})
    reach = margin_px(max(y1 - y0, x1 - x0) + 16, size_hw) + 1
    near = cv2.dilate(inside.view(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) != 0
    assert not (changed(picture) & ~near).any()
    head = (y1 - y0) // 8  # a face is about an eighth of a standing person
    for old, new in zip(image.planes, planes_of(picture), strict=True):
        assert new[inside].var() < 0.6 * old[inside].var()
        assert detail(new, inside, max(3, head // 2)) < 0.02 * detail(old, inside, max(3, head // 2))


def test_what_is_blurred_is_lost_not_hidden() -> None:
    """Two different contents with the same averages over blocks give the same picture."""
    block, size_hw = 12, (720, 960)
    image = yuv(*size_hw, "yuv444p")
    x0, y0, x1, y1 = 240, 240, 240 + 8 * block - 8, 240 + 8 * block - 8
    found = ellipses([(x0, y0, x1, y1)], [0], fill=True)
    reach = margin_px(x1 - x0, size_hw)
    assert reach == 4  # so that the blurred box is 8 blocks of 12 px
    other = [plane.copy() for plane in image.planes]
    rng = np.random.default_rng(1)
    for plane in other:
        for top in range(y0 - reach, y1 + reach, block):
            for left in range(x0 - reach, x1 + reach, block):
                part = plane[top : top + block, left : left + block]
                part[:] = rng.permutation(part.ravel()).reshape(part.shape)
    first = render(Scene(frame(image), found), **UNTOUCHED | {"blur": ("person",)})
    second = render(Scene(frame(replace(image, planes=tuple(other))), found), **UNTOUCHED | {"blur": ("person",)})
    for a, b, c in zip(planes_of(first), planes_of(second), image.planes, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


def test_an_object_without_a_mask_is_blurred_in_its_box() -> None:
    image = yuv(120, 160)
    for boxes in ([(40, 30, 90, 100)], [(40, 30, 40, 30)]):
        found = replace(ellipses(boxes, [0]), boxes_xyxy=np.array([[40.5, 30.5, 89.5, 99.5]], np.float32))
        found.arena[:] = 0
        where = changed(render(Scene(frame(image), found), **UNTOUCHED | {"blur": ("person",)}))
        assert where[30:100, 40:90].mean() > 0.9


def test_blur_holds_on_both_sides() -> None:
    scene = Scene(frame(yuv(120, 160)), some(120, 160))
    names = ("person", "car", "truck")
    both = planes_of(render(scene, **UNTOUCHED | {"view": "side-by-side", "blur": names}))
    for wide, alone in zip(both, planes_of(render(scene, **UNTOUCHED | {"blur": names})), strict=True):
        np.testing.assert_array_equal(wide, np.hstack([alone, alone]))


@pytest.mark.parametrize(("ground", "rgb"), [("white", (255, 255, 255)), ("#102030", (16, 32, 48))])
def test_a_cut_out_keeps_its_classes_on_a_plain_ground(ground: str, rgb: tuple[int, int, int]) -> None:
    image = yuv(120, 160, "yuv444p")
    found = ellipses([(11, 20, 71, 90), (90, 20, 140, 90)], [0, 1])
    ids = np.zeros((120, 160), np.uint8)
    ids[100:] = 2
    picture = render(Scene(frame(image), found, Labels(ids, CITY)), cutout=("person", "sky"), ground=ground)
    kept = found.full_mask(0, (120, 160)) | (ids == 2)
    deep = cv2.erode(kept.astype(np.uint8), np.ones((3, 3))).astype(bool)
    for old, new, value in zip(image.planes, planes_of(picture), Palette("bt709", True)(rgb), strict=True):
        np.testing.assert_array_equal(new[deep], old[deep])
        assert (new[~kept] == value).all()


def test_a_transparent_cut_out_hides_nothing_under_alpha_0() -> None:
    bgr = street(121, 161)
    found = ellipses([(11, 20, 71, 90)], [0])
    picture = render(Scene(frame(Image((bgr,), "bgr24")), found), cutout=("person",), ground="transparent")
    assert picture.image is not None
    assert picture.image.format == "bgra32"
    (bgra,) = picture.image.planes
    kept = found.full_mask(0, (121, 161))
    assert not bgra[~kept].any()
    deep = cv2.erode(kept.astype(np.uint8), np.ones((3, 3))).astype(bool)
    np.testing.assert_array_equal(bgra[deep], np.dstack([bgr, np.full((121, 161), 255)])[deep])
    blurred = render(
        Scene(frame(Image((bgr,), "bgr24")), found), cutout=("person",), ground="transparent", blur=("person",)
    )
    before, after = bgra[..., 1], planes_of(blurred)[0][..., 1]
    assert detail(np.ascontiguousarray(after), deep, 3) < 0.02 * detail(np.ascontiguousarray(before), deep, 3)
