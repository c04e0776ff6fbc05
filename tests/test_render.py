"""From scenes to pictures: against plain NumPy, on drawn objects and on a real clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config import RenderConfig
from pipeline.errors import ConfigError
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.render import Renderer, check_names
from pipeline.render.canvas import Palette
from pipeline.render.colours import legible, level, varied
from pipeline.render.panels import Legend
from pipeline.render.privacy import margin_px
from pipeline.render.tags import Places
from pipeline.types import VOID, Classes, Frame, Instances, Labels, Picture, Scene

U8 = NDArray[np.uint8]
Box = tuple[int, int, int, int]
CLASSES = Classes(("person", "car", "truck"), ((220, 20, 60), (0, 0, 142), (250, 170, 30)))
CITY = Classes(("road", "car", "sky"), ((128, 64, 128), (0, 0, 142), (70, 130, 180)))
BARE: dict[str, Any] = {
    "outlines": False, "boxes": False, "names": False, "scores": False, "legend": False, "status": False
}  # fmt: skip
UNTOUCHED = BARE | {"alpha": 0.0}
SIZES = [(120, 160), (121, 161), (90, 161), (375, 1241)]


def street(height: int, width: int, seed: int = 0) -> U8:
    """Something with structure at every scale, (h, w, 3) BGR."""
    rng = np.random.default_rng(seed)
    out = np.zeros((height, width, 3))
    for cells in (4, 16, 64):
        part = rng.uniform(0, 255, (cells, cells, 3)).astype(np.float32)
        out += cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) / 3
    return np.asarray(np.clip(out + rng.normal(0, 12, out.shape), 0, 255), np.uint8)


def frozen(*planes: U8) -> tuple[U8, ...]:
    """Planes whose rows lie apart, as a decoder's do, and that nobody can write to."""
    apart = []
    for plane in planes:
        room = np.zeros((plane.shape[0], plane.shape[1] + 13), np.uint8)
        room[:, : plane.shape[1]] = plane
        room.flags.writeable = False
        apart.append(room[:, : plane.shape[1]])
    return tuple(apart)


def yuv(height: int, width: int, form: str = "yuv420p", seed: int = 0) -> Image:
    y, cr, cb = cv2.split(cv2.cvtColor(street(height, width, seed), cv2.COLOR_BGR2YCrCb))
    if form == "yuv420p":
        half = ((width + 1) // 2, (height + 1) // 2)
        cb, cr = (cv2.resize(c, half, interpolation=cv2.INTER_AREA) for c in (cb, cr))
    return Image(frozen(*(np.asarray(p, np.uint8) for p in (y, cb, cr))), form, "bt709", True)  # type: ignore[arg-type]


def frame(image: Image, pts: int = 0) -> Frame:
    return Frame(pts, pts, Fraction(1, 10), 0.0, image)


def ellipses(boxes: Sequence[Box], class_ids: Sequence[int] | None = None, fill: bool = False) -> Instances:
    arena, offset = [], [0]
    for x0, y0, x1, y1 in boxes:
        mask = np.full((y1 - y0, x1 - x0), 255 if fill else 0, np.uint8)
        if mask.size and not fill:
            centre = ((x1 - x0) // 2, (y1 - y0) // 2)
            cv2.ellipse(mask, centre, (max(0, centre[0] - 1), max(0, centre[1] - 1)), 0, 0, 360, 255, -1)
        arena.append(mask.ravel())
        offset.append(offset[-1] + mask.size)
    return Instances(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.95, 0.3, len(boxes), dtype=np.float32),
        np.array(class_ids if class_ids is not None else [i % 3 for i in range(len(boxes))], np.int32),
        np.array(boxes, np.int32).reshape(-1, 4),
        np.concatenate([*arena, np.empty(0, np.uint8)]),
        np.array(offset, np.int64),
        CLASSES,
    )


def some(height: int, width: int) -> Instances:
    """Objects at even and odd places, at the edges, overlapping and empty."""
    w, h = width, height
    boxes: list[Box] = [
        (0, 0, w // 3, h // 2), (w // 4 | 1, h // 4 | 1, w // 2, h // 2 + 5), (w // 2, h // 2, w, h),
        (w - 31, 3, w, 20), (w // 2 + 1, 7, w // 2 + 4, 30), (5, h - 20, 6, h - 19), (9, 9, 9, 30),
    ]  # fmt: skip
    return ellipses(boxes)


def stripes(height: int, width: int, void: bool = True) -> Labels:
    ids = ((np.arange(width) // 7 + np.arange(height)[:, None]) % (4 if void else 3)).astype(np.uint8)
    ids[ids == 3] = VOID
    return Labels(ids, CITY)


def render(scene: Scene, line: str | None = None, **config: Any) -> Picture:
    return Renderer(RenderConfig(**config), Pool).render(scene, line)


def planes_of(picture: Picture) -> tuple[U8, ...]:
    assert picture.image is not None
    return picture.image.planes


def changed(picture: Picture) -> NDArray[np.bool_]:
    """Where a picture differs from its frame, at luma size; planes of one format."""
    before, after = picture.scene.frame.image, picture.image
    assert after is not None
    assert before.format == after.format
    height, width = before.size_hw
    where = np.zeros((height, width), np.bool_)
    for old, new in zip(before.planes, after.planes, strict=True):
        differs = old != new
        if differs.shape != where.shape:
            differs = differs.repeat(2, 0).repeat(2, 1)[:height, :width]
        where |= differs
    return where


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


def test_the_left_side_shows_the_picture_and_the_right_side_the_overlay() -> None:
    for image in (yuv(120, 160), yuv(121, 161, "yuv444p")):
        height, width = image.size_hw
        scene = Scene(frame(image), some(height, width), stripes(height, width))
        both = planes_of(render(scene, "12 fps", view="side-by-side"))
        for wide, source, alone in zip(both, image.planes, planes_of(render(scene, "12 fps")), strict=True):
            np.testing.assert_array_equal(wide[:, : source.shape[1]], source)
            np.testing.assert_array_equal(wide[:, source.shape[1] :], alone)


def test_blur_holds_on_both_sides() -> None:
    scene = Scene(frame(yuv(120, 160)), some(120, 160))
    names = ("person", "car", "truck")
    both = planes_of(render(scene, **UNTOUCHED | {"view": "side-by-side", "blur": names}))
    for wide, alone in zip(both, planes_of(render(scene, **UNTOUCHED | {"blur": names})), strict=True):
        np.testing.assert_array_equal(wide, np.hstack([alone, alone]))


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


def spoil(buffer: U8) -> None:
    buffer.fill(0xAA)


def poisoned(make: Callable[[], U8]) -> Pool[U8]:
    return Pool(make, spoil)


@pytest.mark.parametrize(
    "config",
    [
        {}, {"view": "side-by-side"}, {"view": "masks"}, {"cutout": ("car",)}, {"blur": ("car", "person")},
        {"cutout": ("car",), "ground": "transparent"},
    ],
)  # fmt: skip
def test_a_used_buffer_leaks_nothing_also_when_the_size_changes(config: dict[str, Any]) -> None:
    renderer = Renderer(RenderConfig(**config), poisoned)
    for index, size_hw in enumerate([(120, 160), (120, 160), (120, 160), (91, 161), (91, 161), (120, 160)]):
        image = yuv(*size_hw, "yuv444p" if size_hw[0] % 2 else "yuv420p", seed=index)
        scene = Scene(frame(image, index * 50), some(*size_hw), stripes(*size_hw))
        picture = renderer.render(scene, "25 fps")
        for got, want in zip(planes_of(picture), planes_of(render(scene, "25 fps", **config)), strict=True):
            np.testing.assert_array_equal(got, want)
        assert picture.lease is not None
        picture.lease.release()


def test_pictures_under_way_at_once_have_buffers_of_their_own() -> None:
    renderer = Renderer(RenderConfig(), poisoned)
    first = renderer.render(Scene(frame(yuv(120, 160)), some(120, 160)))
    before = [plane.copy() for plane in planes_of(first)]
    renderer.render(Scene(frame(yuv(120, 160, seed=3)), some(120, 160)))
    for plane, old in zip(planes_of(first), before, strict=True):
        np.testing.assert_array_equal(plane, old)


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


def test_names_legend_and_status_are_there_only_when_asked_for() -> None:
    image, found = yuv(360, 480), ellipses([(200, 150, 300, 250)], [1])
    scene = Scene(frame(image), found)
    assert not changed(render(scene, "25 fps", **UNTOUCHED)).any()
    assert not changed(render(scene, None, **UNTOUCHED | {"status": True})).any()
    status = changed(render(scene, "25 fps", **UNTOUCHED | {"status": True}))
    assert status[330:, :100].any()
    assert not status[:330].any()
    legend = changed(render(scene, **UNTOUCHED | {"legend": True}))
    assert legend[:40, :100].any()
    assert not legend[40:].any()
    for only in ("names", "scores"):
        tag = changed(render(scene, **UNTOUCHED | {only: True}))
        assert tag[130:150, 200:].any()
        assert not tag[150:].any()


def test_names_do_not_cover_each_other_nor_objects_nor_what_is_reserved() -> None:
    boxes = [(100, 100, 180, 160), (104, 100, 180, 160), (300, 4, 380, 60), (0, 200, 20, 230), (620, 300, 640, 359)]
    reserved = (0, 0, 90, 200)
    places = Places((360, 640), boxes, [reserved])
    taken = [reserved]
    for box in [*boxes, *[boxes[0]] * 20]:
        spot = places.take(box, 60, 16)
        if spot is None:
            continue
        x, y = spot
        assert (x % 2, y % 2) == (0, 0)
        assert 0 <= x <= 640 - 60
        assert 0 <= y <= 360 - 16
        for x0, y0, x1, y1 in taken:
            assert x + 60 <= x0 or x >= x1 or y + 16 <= y0 or y >= y1
        taken.append((x, y, x + 60, y + 16))
    assert 6 <= len(taken) <= 11  # there is room for some, not for all


def seen(pts: int, instances: Sequence[int], labels: Sequence[int] = ()) -> Scene:
    ids = np.full((64, 64), VOID, np.uint8)
    for i, label in enumerate(labels):
        ids[8 * i : 8 * i + 8] = label
    found = ellipses([(0, 0, 8, 8)] * len(instances), instances)
    return Scene(frame(yuv(64, 64), pts), found, Labels(ids, CITY) if labels else None)


def test_the_legend_keeps_its_order_and_a_class_for_a_second() -> None:
    legend = Legend()

    def names(*what: Any) -> list[str]:
        return [name for name, _ in legend.update(seen(*what))]

    assert names(0, [2, 0]) == ["person", "truck"]
    assert names(1, [0]) == ["person", "truck"]
    assert names(2, [1, 0], [2, 0]) == ["road", "sky", "person", "car", "truck"]
    assert names(12, [0]) == ["road", "sky", "person", "car"]  # a second later, at ten frames a second
    assert names(13, []) == ["person"]
    assert names(14, [1], [1]) == ["car", "person"]  # of both models, once
    assert names(3, [2]) == ["truck"]  # the source began again


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"blur": ("persn",)}, "did you mean 'person'"),
        ({"cutout": ("Car",)}, "did you mean 'car'"),
        ({"blur": ("xyzzy",)}, "person, car, truck"),
    ],
)
def test_an_unknown_class_is_named_with_the_nearest_right_one(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_names(RenderConfig(**config), CLASSES.names)
    assert said in str(error.value)
    check_names(RenderConfig(blur=("person",), cutout=("car", "truck")), CLASSES.names)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"ground": "whit"}, "did you mean 'white'"),
        ({"ground": "#12345"}, "#rrggbb"),
        ({"alpha": 1.5}, "0 (no tint) to 1"),
        ({"alpha": float("nan")}, "0 (no tint) to 1"),
        ({"view": "side by side"}, "did you mean 'side-by-side'"),
        ({"view": "masks", "cutout": ("car",)}, "choose one"),
        ({"view": "side-by-side", "cutout": ("car",), "ground": "transparent"}, "overlay"),
    ],
)
def test_a_wrong_value_is_said_before_the_first_frame(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        Renderer(RenderConfig(**config), Pool)
    assert said in str(error.value)


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
