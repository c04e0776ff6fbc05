"""Every view is drawn in every format and size, and the frame itself is never written to."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scenes_to_draw import CITY, CLASSES, SIZES, ellipses, frame, planes_of, render, some, street, stripes, yuv

from pipeline.image import Image
from pipeline.render.canvas import Palette
from pipeline.render.colours import level, varied
from pipeline.types import VOID, Scene


@pytest.mark.parametrize("view", ["overlay", "side-by-side", "masks"])
@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("form", ["yuv420p", "yuv444p", "nv12", "bgr24"])
def test_every_format_and_size_is_drawn_and_never_written_to(form: str, size_hw: tuple[int, int], view: str) -> None:
    height, width = size_hw
    source = yuv(height, width, "yuv444p" if form == "yuv444p" else "yuv420p")
    if form == "nv12":
        uv = np.dstack(source.planes[1:])
        uv.flags.writeable = False
        source = Image((source.planes[0], uv), "nv12", "bt709", True)
    if form == "bgr24":
        bgr = street(height, width)
        bgr.flags.writeable = False
        source = Image((bgr,), "bgr24")
    before = [plane.copy() for plane in source.planes]
    scene = Scene(frame(source), some(height, width), stripes(height, width))
    picture = render(scene, "25.0 fps", view=view, blur=("car",))
    odd = height % 2 or width % 2
    assert picture.image is not None
    assert picture.image.format == ("yuv444p" if odd or form == "yuv444p" else "yuv420p")
    assert picture.image.size_hw == (height, width * (2 if view == "side-by-side" else 1))
    assert (picture.image.matrix, picture.image.full_range) == (
        ("bt601", False) if form == "bgr24" else ("bt709", True)
    )
    for plane, old in zip(source.planes, before, strict=True):
        np.testing.assert_array_equal(plane, old)


@pytest.mark.parametrize("size_hw", [(2, 2), (1, 1), (16, 24), (33, 17)])
def test_tiny_pictures_are_drawn_with_what_fits(size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    found = ellipses([(0, 0, width, height)])
    for view in ("overlay", "side-by-side", "masks"):
        for blur in ((), ("person", "car")):
            scene = Scene(frame(yuv(height, width)), found, stripes(height, width))
            picture = render(scene, "25.0 fps   dropped 3", view=view, blur=blur)
            assert planes_of(picture)[0].shape[0] == height


@pytest.mark.parametrize("size_hw", [(120, 160), (121, 161)])
def test_bgr_and_yuv_frames_give_pictures_that_agree(size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    bgr = np.asarray(cv2.resize(street(15, 20), (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    y, cr, cb = cv2.split(cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb))
    half = ((width + 1) // 2, (height + 1) // 2)
    chroma = [np.asarray(cv2.resize(c, half, interpolation=cv2.INTER_AREA), np.uint8) for c in (cb, cr)]
    full = Image((np.asarray(y, np.uint8), *chroma), "yuv420p", "bt601", full_range=True)
    pictures = [
        render(Scene(frame(image), some(height, width), stripes(height, width)), "25 fps").image
        for image in (Image((bgr,), "bgr24"), full)
    ]
    assert pictures[0] is not None
    assert pictures[1] is not None
    apart = np.abs(pictures[0].bgr().astype(int) - pictures[1].bgr())
    assert apart.mean() < 2.5
    assert np.percentile(apart, 99) < 16


def test_the_left_side_shows_the_picture_and_the_right_side_the_overlay() -> None:
    for image in (yuv(120, 160), yuv(121, 161, "yuv444p")):
        height, width = image.size_hw
        scene = Scene(frame(image), some(height, width), stripes(height, width))
        both = planes_of(render(scene, "12 fps", view="side-by-side"))
        for wide, source, alone in zip(both, image.planes, planes_of(render(scene, "12 fps")), strict=True):
            np.testing.assert_array_equal(wide[:, : source.shape[1]], source)
            np.testing.assert_array_equal(wide[:, source.shape[1] :], alone)


def test_the_masks_view_shows_class_colours_on_black_and_nothing_of_the_picture() -> None:
    found = ellipses([(20, 20, 80, 90)], [0])
    first = render(Scene(frame(yuv(120, 160)), found), view="masks", legend=False)
    second = render(Scene(frame(yuv(120, 160, seed=7)), found), view="masks", legend=False)
    for a, b in zip(planes_of(first), planes_of(second), strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.image is not None
    bgr = first.image.bgr()
    assert (bgr[~cv2.dilate(found.full_mask(0, (120, 160)).view(np.uint8), np.ones((5, 5))).astype(bool)] < 3).all()
    red = varied(CLASSES.colours[0], level(50, 55, (120, 160)))
    np.testing.assert_allclose(bgr[55, 50, ::-1], red, atol=3)

    painted = render(Scene(frame(yuv(120, 160)), labels=stripes(120, 160)), view="masks", legend=False)
    ids = stripes(120, 160).map
    assert painted.image is not None
    assert (painted.image.planes[0][ids == VOID] == 0).all()  # full range black
    assert (painted.image.planes[0][ids == 0] == Palette("bt709", True)(CITY.colours[0])[0]).all()
