"""Overlays equal plain NumPy, and nothing changes beside what was found, on a real clip either."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scenes_to_draw import (
    BARE,
    CITY,
    CLASSES,
    SIZES,
    changed,
    ellipses,
    frame,
    planes_of,
    poisoned,
    render,
    some,
    stripes,
    yuv,
)

from pipeline.config import RenderConfig
from pipeline.image import Image
from pipeline.render import Renderer
from pipeline.render.canvas import Palette
from pipeline.render.colours import legible, level, varied
from pipeline.types import VOID, Instances, Labels, Scene


def reference_tint(image: Image, found: Instances, alpha: float) -> list[NDArray[np.float64]]:
    """The tint in plain NumPy, on even yuv420p or yuv444p planes."""
    palette, frame_hw = Palette(image.matrix, image.full_range), image.size_hw
    planes = [plane.astype(float) for plane in image.planes]
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in found.crops_px.tolist()]
    for i in sorted(range(len(found)), key=lambda i: -area[i]):
        mask = found.full_mask(i, frame_hw).astype(float)
        x0, y0, x1, y1 = found.crops_px[i].tolist()
        rgb = legible(CLASSES.colours[found.class_ids[i]])
        rgb = varied(rgb, level((x0 + x1) / 2, (y0 + y1) / 2, frame_hw))
        for k, value in enumerate(palette(rgb)):
            weight = mask
            if planes[k].shape != mask.shape:
                weight = (mask[::2, ::2] + mask[1::2, ::2] + mask[::2, 1::2] + mask[1::2, 1::2]) / 4
            planes[k] = np.rint(planes[k] * (1 - alpha * weight) + value * alpha * weight)
    return planes


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.85, 1.0])
@pytest.mark.parametrize("form", ["yuv420p", "yuv444p"])
def test_the_tint_equals_plain_numpy(form: str, alpha: float) -> None:
    image = yuv(120, 160, form)
    apart = ellipses([(0, 0, 41, 39), (51, 3, 90, 60), (101, 51, 160, 120), (7, 71, 8, 72), (20, 80, 61, 117)])
    picture = render(Scene(frame(image), apart), **BARE | {"alpha": alpha})
    for got, want in zip(planes_of(picture), reference_tint(image, apart, alpha), strict=True):
        assert np.abs(got - want).max() <= 1


@pytest.mark.parametrize("form", ["yuv420p", "yuv444p"])
def test_overlapping_tints_lie_on_each_other_the_smaller_on_top(form: str) -> None:
    image = yuv(120, 160, form)
    picture = render(Scene(frame(image), some(120, 160)), **BARE)
    for got, want in zip(planes_of(picture), reference_tint(image, some(120, 160), 0.5), strict=True):
        assert np.abs(got - want).max() <= 2  # one level each


def test_an_outline_has_the_class_colour_just_inside_the_mask_and_the_tint_stays_deep_inside() -> None:
    image = yuv(720, 1280, "yuv444p")
    found = ellipses([(101, 201, 301, 401)], fill=True)
    with_line = planes_of(render(Scene(frame(image), found), **BARE | {"outlines": True}))
    tint = planes_of(render(Scene(frame(image), found), **BARE))
    colour = Palette("bt709", True)(legible(CLASSES.colours[0]))
    for line, plain, value in zip(with_line, tint, colour, strict=True):
        edge = line[201:203, 110:290].astype(int)
        assert np.abs(edge - value).max() <= 0.05 * 255 + 1
        np.testing.assert_array_equal(line[204:398, 104:298], plain[204:398, 104:298])


@pytest.mark.parametrize("size_hw", [(240, 320), (720, 1280), (2160, 3840)])
@pytest.mark.parametrize("width", [1, 3, 6])
def test_a_mask_thinner_than_its_outline_is_drawn(size_hw: tuple[int, int], width: int) -> None:
    grey = Image(tuple(np.full(size_hw, value, np.uint8) for value in (90, 128, 128)), "yuv444p", "bt709", True)
    pole = ellipses([(101, 40, 101 + width, 200)], [1], fill=True)
    picture = render(Scene(frame(grey), pole), **BARE | {"outlines": True})
    blue = Palette("bt709", True)(legible(CLASSES.colours[1]))[1]
    assert (planes_of(picture)[1][50:190, 101 : 101 + width] > 128 + 0.4 * (blue - 128)).all()


@pytest.mark.parametrize("size_hw", SIZES)
def test_nothing_changes_outside_the_boxes(size_hw: tuple[int, int]) -> None:
    form = "yuv444p" if size_hw[0] % 2 or size_hw[1] % 2 else "yuv420p"
    found = some(*size_hw)
    picture = render(Scene(frame(yuv(*size_hw, form)), found), names=False, scores=False, legend=False)
    allowed = np.zeros(size_hw, np.bool_)
    for x0, y0, x1, y1 in found.crops_px.tolist():
        allowed[y0 & ~1 : (y1 + 1) & ~1, x0 & ~1 : (x1 + 1) & ~1] = True  # chroma is shared by 2 x 2
    where = changed(picture)
    assert where.any()
    assert not (where & ~allowed).any()


def reference_labels(image: Image, labels: Labels, alpha: float) -> list[NDArray[np.float64]]:
    palette = Palette(image.matrix, image.full_range)
    table = np.array([palette(legible(rgb)) for rgb in labels.classes.colours])
    out = []
    for k, plane in enumerate(image.planes):
        ids = labels.map if plane.shape == labels.map.shape else labels.map[::2, ::2]
        said = ids < len(labels.classes)
        colour = table[np.where(said, ids, 0), k]
        out.append(np.where(said, np.rint(plane * (1 - alpha) + colour * alpha), plane))
    return out


@pytest.mark.parametrize("alpha", [0.0, 0.35, 0.5, 1.0])
@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize(("form", "size_hw"), [("yuv420p", (720, 1280)), ("yuv444p", (375, 1241))])
def test_labels_equal_plain_numpy_and_void_stays(
    form: str, size_hw: tuple[int, int], void: bool, alpha: float
) -> None:
    image, labels = yuv(*size_hw, form), stripes(*size_hw, void)
    picture = render(Scene(frame(image), labels=labels), **BARE | {"alpha": alpha})
    for got, want in zip(planes_of(picture), reference_labels(image, labels, alpha), strict=True):
        assert np.abs(got - want).max() <= 1
    if void:
        stays = labels.map == VOID
        np.testing.assert_array_equal(planes_of(picture)[0][stays], image.planes[0][stays])


def test_a_label_map_may_be_a_view() -> None:
    image, labels = yuv(120, 160), stripes(120, 160)
    wide = np.zeros((120, 200), np.uint8)
    wide[:, 17:177] = labels.map
    view = Labels(wide[:, 17:177], CITY)
    for got, want in zip(
        planes_of(render(Scene(frame(image), labels=view))),
        planes_of(render(Scene(frame(image), labels=labels))),
        strict=True,
    ):
        np.testing.assert_array_equal(got, want)


def test_a_real_clip_keeps_every_pixel_that_is_not_drawn_on(shared: Path) -> None:
    av = pytest.importorskip("av")
    renderer = Renderer(RenderConfig(names=False, scores=False, legend=False, status=False), poisoned)
    found = ellipses([(811, 408, 944, 496), (1015, 404, 1210, 501)], [1, 1])
    free = np.ones((720, 1280), np.bool_)
    free[408:496, 810:944] = free[404:502, 1014:1210] = False
    with av.open(str(shared / "data/video/udacity_test_video.mp4")) as clip:
        for index, decoded in enumerate(clip.decode(video=0)):
            planes = []
            for plane, (height, width) in zip(decoded.planes, ((720, 1280), (360, 640), (360, 640)), strict=True):
                rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
                planes.append(rows[:height, :width])
            picture = renderer.render(Scene(frame(Image(tuple(planes), "yuv420p", "bt709"), index), found))
            where = changed(picture)
            assert not (where & free).any()
            assert where[~free].mean() > 0.6
            assert picture.lease is not None
            picture.lease.release()
            if index == 20:
                break
