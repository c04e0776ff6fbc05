"""Drawing into planes: exact where it can be, against plain NumPy where it rounds."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.classes import DRIVING, spread_colours
from pipeline.image import Image, Matrix, rgb_to_yuv, yuv_to_rgb
from pipeline.render.canvas import Canvas, Palette
from pipeline.render.colours import DARK, LIGHT, contrast, ink_on, legible, level, luma, track_colour, varied
from pipeline.render.planar import Planar, buffer_of, split
from pipeline.render.text import Font

U8 = NDArray[np.uint8]
MATRICES = [(matrix, full) for matrix in ("bt601", "bt709", "bt2020") for full in (False, True)]
RED = (220, 20, 60)


def noise(*shape: int, seed: int = 0) -> U8:
    return np.random.default_rng(seed).integers(16, 236, shape).astype(np.uint8)


def canvas(form: str = "yuv420p", size_hw: tuple[int, int] = (48, 64)) -> Canvas:
    buffer = buffer_of(form, size_hw)  # type: ignore[arg-type]
    buffer[:] = noise(buffer.size)
    planes = split(buffer, form, size_hw)  # type: ignore[arg-type]
    return Canvas(planes, [plane.shape != planes[0].shape for plane in planes], Palette("bt601", False))


def copy_of(drawn: Canvas) -> list[U8]:
    return [plane.copy() for plane in drawn.planes]


@pytest.mark.parametrize(("matrix", "full_range"), MATRICES)
def test_a_colour_comes_back_from_the_planes(matrix: Matrix, full_range: bool) -> None:
    palette = Palette(matrix, full_range)
    for rgb in [(0, 0, 0), (255, 255, 255), RED, (0, 0, 142), (107, 142, 35)]:
        yuv = palette(rgb)
        np.testing.assert_allclose(yuv, rgb_to_yuv(matrix, full_range) @ [*rgb, 1], atol=0.5)
        np.testing.assert_allclose(yuv_to_rgb(matrix, full_range) @ [*yuv, 1], rgb, atol=2)


@pytest.mark.parametrize("form", ["yuv420p", "yuv444p"])
def test_a_filled_rectangle_changes_exactly_its_pixels(form: str) -> None:
    drawn = canvas(form)
    expected = copy_of(drawn)
    drawn.fill((10, 6, 30, 20), RED)
    for plane, half, value in zip(expected, drawn.halved, Palette("bt601", False)(RED), strict=True):
        plane[6 >> half : 20 >> half, 10 >> half : 30 >> half] = value
    for plane, want in zip(drawn.planes, expected, strict=True):
        np.testing.assert_array_equal(plane, want)


@pytest.mark.parametrize("form", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize("line_px", [1, 2, 4])
def test_an_outline_lies_inside_its_box_and_leaves_the_middle(form: str, line_px: int) -> None:
    drawn = canvas(form)
    before = copy_of(drawn)
    drawn.outline((10, 6, 40, 30), line_px, RED)
    value = Palette("bt601", False)(RED)[0]
    assert (drawn.planes[0][6, 10:40] == value).all()
    assert (drawn.planes[0][30 - line_px : 30, 10:40] == value).all()
    assert (drawn.planes[0][6:30, 10 : 10 + line_px] == value).all()
    assert (drawn.planes[0][6:30, 40 - line_px : 40] == value).all()
    for plane, old, half in zip(drawn.planes, before, drawn.halved, strict=True):
        inner = np.s_[(6 + 4) >> half : (30 - 4) >> half, (10 + 4) >> half : (40 - 4) >> half]
        np.testing.assert_array_equal(plane[inner], old[inner])
        plane[6 >> half : 30 >> half, 10 >> half : 40 >> half] = 0
        old[6 >> half : 30 >> half, 10 >> half : 40 >> half] = 0
        np.testing.assert_array_equal(plane, old)


def test_shapes_over_the_edge_are_cut() -> None:
    drawn = canvas()
    drawn.fill((-10, -10, 4, 4), RED)
    drawn.fill((60, 44, 90, 90), RED)
    drawn.outline((-2, -2, 90, 90), 2, RED)
    value = Palette("bt601", False)(RED)[0]
    assert drawn.planes[0][0, 0] == drawn.planes[0][47, 63] == value


@pytest.mark.parametrize("form", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize("opacity", [1.0, 0.68, 0.0])
def test_text_is_ink_over_paper_over_picture(form: str, opacity: float) -> None:
    drawn = canvas(form)
    before = copy_of(drawn)
    cover = noise(12, 20, seed=1)
    half = np.asarray(cv2.resize(cover, (10, 6), interpolation=cv2.INTER_AREA), np.uint8)
    drawn.write(8, 4, (cover, half), LIGHT, DARK, opacity)
    palette = Palette("bt601", False)
    for plane, old, halved, ink, paper in zip(
        drawn.planes, before, drawn.halved, palette(LIGHT), palette(DARK), strict=True
    ):
        share = (half if halved else cover) / 255
        box = np.s_[4 >> halved : 16 >> halved, 8 >> halved : 28 >> halved]
        want = ink * share + (1 - share) * (opacity * paper + (1 - opacity) * old[box])
        np.testing.assert_allclose(plane[box], want, atol=1.6)
        old[box] = plane[box]
        np.testing.assert_array_equal(plane, old)


@pytest.mark.parametrize("opacity", [1.0, 0.5])
def test_text_over_the_edge_is_cut(opacity: float) -> None:
    text = Font(12).line("a very long line of text")
    drawn, larger = canvas(), canvas(size_hw=(96, 256))
    for one in (drawn, larger):
        one.fill((0, 0, 64, 48), RED)
        one.write(56, 40, text, LIGHT, DARK, opacity)
        one.write(100, 100, text, LIGHT, DARK, opacity)  # all of it is outside
    for plane, part in zip(drawn.planes, larger.part((0, 0, 64, 48)).planes, strict=True):
        np.testing.assert_array_equal(plane, part)


def test_a_part_shares_the_memory_of_the_whole() -> None:
    drawn = canvas()
    drawn.part((32, 0, 64, 48)).clear((0, 0, 0))
    assert (drawn.planes[0][:, 32:] == 16).all()
    assert (drawn.planes[1][:, 16:] == 128).all()
    assert (drawn.planes[0][:, :32] != 16).any()


def test_even_yuv420p_and_yuv444p_pass_without_a_copy() -> None:
    for form, size_hw in (("yuv420p", (48, 64)), ("yuv444p", (47, 63))):
        image = Image(canvas(form, size_hw).planes, form, "bt709", True)  # type: ignore[arg-type]
        assert Planar()(image) is image


def test_nv12_is_split() -> None:
    luma_plane, chroma = noise(48, 64), noise(24, 32, 2, seed=1)
    image = Planar()(Image((luma_plane, chroma), "nv12", "bt709", True))
    assert (image.format, image.matrix, image.full_range) == ("yuv420p", "bt709", True)
    np.testing.assert_array_equal(image.planes[1], chroma[..., 0])
    np.testing.assert_array_equal(image.planes[2], chroma[..., 1])


@pytest.mark.parametrize("form", ["yuv420p", "nv12"])
@pytest.mark.parametrize("size_hw", [(375, 1241), (47, 64), (48, 63), (1, 1)])
def test_odd_sizes_get_their_chroma_repeated(form: str, size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    half = ((height + 1) // 2, (width + 1) // 2)
    u, v = noise(*half, seed=1), noise(*half, seed=2)
    planes = (noise(height, width), u, v) if form == "yuv420p" else (noise(height, width), np.dstack([u, v]))
    image = Planar()(Image(planes, form))  # type: ignore[arg-type]
    assert image.format == "yuv444p"
    for plane, small in zip(image.planes[1:], (u, v), strict=True):
        np.testing.assert_array_equal(plane, small.repeat(2, 0).repeat(2, 1)[:height, :width])


@pytest.mark.parametrize("size_hw", [(48, 64), (47, 63)])
@pytest.mark.parametrize("form", ["bgr24", "bgra32"])
def test_bgr_becomes_limited_bt601(size_hw: tuple[int, int], form: str) -> None:
    bgr = cv2.resize(noise(4, 5, 3), size_hw[::-1], interpolation=cv2.INTER_CUBIC)
    given = bgr if form == "bgr24" else cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA)
    image = Planar()(Image((np.asarray(given, np.uint8),), form))  # type: ignore[arg-type]
    assert (image.format, image.matrix, image.full_range) == (
        "yuv420p" if size_hw == (48, 64) else "yuv444p",
        "bt601",
        False,
    )
    table = rgb_to_yuv("bt601", False)
    want = np.asarray(bgr, float)[..., ::-1] @ table[:, :3].T + table[:, 3]
    np.testing.assert_allclose(image.planes[0], want[..., 0], atol=1.6)
    for plane, exact in zip(image.planes[1:], (want[..., 1], want[..., 2]), strict=True):
        if plane.shape != size_hw:  # what the four pixels that share it have together
            exact = exact.reshape(24, 2, 32, 2).mean((1, 3))
        np.testing.assert_allclose(plane, exact, atol=2.2)


def test_a_fine_pattern_keeps_its_colour() -> None:
    blue_and_yellow = np.indices((48, 64)).sum(0) % 2  # a chequerboard: grey, from afar
    bgr = np.where(blue_and_yellow[..., None], [255, 0, 0], [0, 255, 255]).astype(np.uint8)
    for plane in Planar()(Image((bgr,), "bgr24")).planes[1:]:
        np.testing.assert_allclose(plane, 128, atol=2.2)


def test_dark_class_colours_are_lifted_and_the_others_stay() -> None:
    navy = [(0, 0, 70), (0, 0, 142), (0, 60, 100), (0, 0, 0)]
    assert all(luma(legible(rgb)) >= 47 for rgb in navy)
    assert luma(legible((0, 0, 70))) < luma(legible((0, 0, 142))) < luma(legible((0, 60, 100)))
    for rgb in [RED, (128, 64, 128), (250, 170, 30), (255, 255, 255)]:
        assert legible(rgb) == rgb
    assert (ink_on((250, 170, 30)), ink_on((0, 0, 142))) == (DARK, LIGHT)


def test_lightness_follows_the_place_without_jumps() -> None:
    steps = [level(x, 300, (720, 1280)) for x in range(1280)]
    assert (min(steps), max(steps)) == (-8, 8)
    assert max(abs(a - b) for a, b in pairwise(steps)) == 1
    assert abs(level(400, 300, (720, 1280)) - level(480, 300, (720, 1280))) >= 4  # neighbours part
    assert luma(varied(RED, 8)) > luma(varied(RED, 0)) > luma(varied(RED, -8))
    assert varied(RED, 0) == RED


def test_a_line_of_text_is_even_and_drawn_once() -> None:
    font = Font(15)
    whole, half = font.line("car 0.91")
    assert whole.shape[0] == font.line_px
    assert whole.shape == (2 * half.shape[0], 2 * half.shape[1])
    assert font.line("car 0.91")[0] is whole
    assert 0.05 < whole.mean() / 255 < 0.6
    assert not whole[0].any()
    assert not whole[:, -2:].any()


@pytest.mark.parametrize("text", ["", " ", "W" * 60, "Straße", "交通信号", "a\nb", "%s {} \\"])
def test_any_text_can_be_written(text: str) -> None:
    whole, _ = Font(11).line(text)
    assert whole.shape[1] % 2 == 0


def test_the_cache_of_text_is_bounded() -> None:
    font = Font(11)
    for i in range(1500):
        font.line(f"x{i}")
    assert len(font._lines) <= 1024
    assert len(font._words) <= 1024


def test_the_ink_is_the_one_that_reads_better_on_every_colour_there_is() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((118, 118, 118), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)  # as WCAG's own tools say
    papers = [legible(rgb) for rgb in (*spread_colours(150), *DRIVING.colours)]
    for paper in [*papers, *map(track_colour, range(1, 300))]:
        assert contrast(ink_on(paper), paper) > 4.2
        assert contrast(ink_on(paper), paper) >= max(contrast(ink, paper) for ink in (DARK, LIGHT))
