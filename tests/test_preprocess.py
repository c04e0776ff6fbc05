"""From a frame to a tensor: every format, layout and type against plain NumPy, and who owns which memory."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import ModelError
from pipeline.flow import Pool
from pipeline.image import Image, Matrix, rgb_to_yuv, yuv_to_rgb
from pipeline.letterbox import Letterbox
from pipeline.preprocess import POOLED_SHAPES, Preprocessor, TensorBuffer
from pipeline.sources.planes import PlaneReader
from pipeline.types import Frame, InputSpec

YOLO = InputSpec("images")


def frame_of(image: Image) -> Frame:
    return Frame(0, 0, Fraction(1, 25), 0.0, image)


def street(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Soft colours with a few edges and a little noise, (h, w, 3) BGR."""
    rng = np.random.default_rng(seed)
    soft = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    cv2.rectangle(soft, (width // 4, height // 3), (width // 2, height // 2), (20, 40, 200), -1)
    return cv2.add(soft, rng.integers(0, 5, soft.shape, np.uint8))


def yuv(bgr: NDArray[np.uint8], kind: str, matrix: Matrix, full_range: bool) -> Image:
    """The picture in planes; a row lies 32 bytes further than it has to, as decoders have it."""
    height, width = bgr.shape[:2]
    table = rgb_to_yuv(matrix, full_range)
    full = np.clip(np.rint(bgr[..., ::-1] @ table[:, :3].T + table[:, 3]), 0, 255).astype(np.uint8)
    planes = [full[..., i] for i in range(3)]
    if kind != "yuv444p":
        half = (width + 1) // 2, (height + 1) // 2
        planes[1:] = [cv2.resize(np.ascontiguousarray(p), half, interpolation=cv2.INTER_AREA) for p in planes[1:]]
    if kind == "nv12":
        planes[1:] = [np.dstack(planes[1:])]
    return Image(tuple(_apart(plane) for plane in planes), kind, matrix, full_range)  # type: ignore[arg-type]


def _apart(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    wide = np.zeros((plane.shape[0], plane.shape[1] + 32, *plane.shape[2:]), np.uint8)
    wide[:, : plane.shape[1]] = plane
    wide.setflags(write=False)
    return wide[:, : plane.shape[1]]


def reference(bgr: NDArray[np.uint8], spec: InputSpec, letterbox: Letterbox) -> NDArray[Any]:
    """The tensor by the book, in float64."""
    height, width = letterbox.content_hw
    whole = np.full((*letterbox.network_hw, 3), spec.pad, np.uint8)
    rows, columns = slice(letterbox.top, letterbox.top + height), slice(letterbox.left, letterbox.left + width)
    whole[rows, columns] = cv2.resize(bgr, (width, height))
    if spec.colour == "rgb":
        whole = whole[..., ::-1]
    values = (whole * spec.scale - np.array(spec.mean)) / np.array(spec.std)
    if spec.dtype == "uint8":
        values = np.clip(np.rint(values), 0, 255)
    return values[None] if spec.layout == "nhwc" else values.transpose(2, 0, 1)[None]


@pytest.mark.parametrize("size_hw", [(None, None), (96, 96), (64, 160)])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize(
    "numbers",
    [
        {},
        {"scale": 1.0, "mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4)},
        {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "pad": 0, "dtype": "float16"},
        {"scale": 1.0, "dtype": "uint8"},
        {"scale": 1.3, "mean": (5.0, 6.0, 7.0), "dtype": "uint8"},
    ],
    ids=["yolo", "caffe", "half", "bytes", "scaled bytes"],
)
def test_a_tensor_is_what_the_card_says(
    size_hw: Any, layout: Any, colour: Any, fit: Any, numbers: dict[str, Any]
) -> None:
    spec = InputSpec("images", size_hw, 32, 128, layout, colour=colour, fit=fit, **numbers)
    bgr = street(90, 160)
    prepared = Preprocessor(spec, Pool).prepare(frame_of(Image((bgr,), "bgr24")))
    expected = reference(bgr, spec, prepared.letterbox)
    assert prepared.tensor.dtype == spec.dtype
    assert prepared.tensor.shape == expected.shape
    np.testing.assert_allclose(prepared.tensor, expected.astype(spec.dtype), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["yuv420p", "nv12", "yuv444p"])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    ("size", "limit"),
    [
        ((180, 320), 0.5),
        ((182, 324), 1.2),
        ((181, 323), 2.5),  # the last row and column of chroma reach half a sample beyond an odd picture
        ((76, 132), 2.5),  # enlarged: chroma is smooth here, in steps there
    ],
)
def test_planes_become_the_same_picture_as_converted_pixels(
    kind: str, matrix: Matrix, full_range: bool, size: tuple[int, int], limit: float
) -> None:
    image = yuv(street(*size), kind, matrix, full_range)
    spec = replace(YOLO, long_side=160)
    preprocessor = Preprocessor(spec, Pool)
    planes = preprocessor.prepare(frame_of(image))
    converted = preprocessor.prepare(frame_of(Image((image.bgr(),), "bgr24")))
    levels = np.abs(planes.tensor - converted.tensor) * 255
    assert levels.mean() < limit


def test_the_colours_of_planes_are_right() -> None:
    orange = np.full((64, 64, 3), (20, 120, 230), np.uint8)
    for kind in ("yuv420p", "nv12", "yuv444p"):
        prepared = Preprocessor(replace(YOLO, long_side=32), Pool).prepare(
            frame_of(yuv(orange, kind, "bt709", False))
        )
        np.testing.assert_allclose(prepared.tensor[0].mean((1, 2)) * 255, (230, 120, 20), atol=1.5)


def test_transparency_is_left_out() -> None:
    bgr = street(64, 64)
    with_alpha = np.dstack([bgr, np.zeros((64, 64), np.uint8)])
    preprocessor = Preprocessor(replace(YOLO, long_side=64), Pool)
    one = preprocessor.prepare(frame_of(Image((with_alpha,), "bgra32")))
    other = preprocessor.prepare(frame_of(Image((bgr,), "bgr24")))
    assert np.array_equal(one.tensor, other.tensor)


def test_a_frame_is_only_read() -> None:
    for image in (Image((street(64, 64),), "bgr24"), yuv(street(64, 64), "yuv444p", "bt601", False)):
        for plane in image.planes:
            plane.setflags(write=False)  # cv2 refuses to write to it, but a copy made by mistake would hide that
        before = [plane.copy() for plane in image.planes]
        for layout in ("nchw", "nhwc"):
            spec = InputSpec("images", (64, 64), layout=layout)  # type: ignore[arg-type]
            tensor = Preprocessor(spec, Pool).prepare(frame_of(image)).tensor
            assert not any(np.shares_memory(tensor, plane) for plane in image.planes)
        assert all(np.array_equal(plane, old) for plane, old in zip(image.planes, before, strict=True))


def test_a_picture_stored_from_the_bottom_up_is_read_from_the_top_down() -> None:
    image = yuv(street(36, 64), "yuv420p", "bt601", False)
    stored = [np.ascontiguousarray(plane[::-1]) for plane in image.planes]
    preprocessor = Preprocessor(replace(YOLO, long_side=64), Pool)
    turned = preprocessor.prepare(frame_of(replace(image, planes=tuple(plane[::-1] for plane in stored))))
    assert np.array_equal(turned.tensor, preprocessor.prepare(frame_of(image)).tensor)


def test_a_tensor_is_not_touched_while_it_is_on_loan() -> None:
    preprocessor = Preprocessor(replace(YOLO, long_side=64), Pool)
    first = preprocessor.prepare(frame_of(Image((street(36, 64),), "bgr24")))
    kept = first.tensor.copy()
    second = preprocessor.prepare(frame_of(Image((street(36, 64, seed=1),), "bgr24")))
    assert not np.shares_memory(first.tensor, second.tensor)
    assert np.array_equal(first.tensor, kept)
    assert first.lease is not None
    first.lease.release()
    third = preprocessor.prepare(frame_of(Image((street(36, 64, seed=2),), "bgr24")))
    assert np.shares_memory(first.tensor, third.tensor)  # used again


def test_padding_is_filled_once_per_buffer() -> None:
    preprocessor = Preprocessor(replace(YOLO, long_side=64), Pool)
    frame = frame_of(Image((street(36, 64),), "bgr24"))  # 36 rows in 64: 14 rows of padding above
    first = preprocessor.prepare(frame)
    assert first.tensor[0, :, 0].max() == np.float32(114 / 255)
    first.tensor[0, :, 0] = 7  # seen again only if nobody fills it
    assert first.lease is not None
    first.lease.release()
    assert preprocessor.prepare(frame).tensor[0, :, 0].min() == 7


@pytest.mark.parametrize("poison", [None, TensorBuffer.poison])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_size_change_in_mid_stream_leaves_nothing_behind(poison: Any, dtype: Any) -> None:
    spec = InputSpec("images", (64, 64), dtype=dtype, scale=1 / 255 if dtype == "float32" else 1.0)
    preprocessor = Preprocessor(spec, partial(Pool, poison=poison))
    for size in [(36, 64), (36, 64), (64, 36), (36, 64), (48, 64), (64, 64), (36, 64)]:  # all in one tensor shape
        bgr = street(*size)
        prepared = preprocessor.prepare(frame_of(Image((bgr,), "bgr24")))
        expected = reference(bgr, spec, prepared.letterbox).astype(dtype)
        np.testing.assert_allclose(prepared.tensor, expected, atol=1e-6)
        assert prepared.lease is not None
        prepared.lease.release()


def test_a_folder_of_many_sizes_does_not_hoard_buffers() -> None:
    made: list[int] = []

    def counting(make: Any) -> Any:
        def make_one() -> TensorBuffer:
            made.append(1)
            return make()

        return Pool(make_one)

    preprocessor = Preprocessor(InputSpec("images", stride=8, long_side=64), counting)
    heights = [8 * (2 + i % (POOLED_SHAPES + 2)) for i in range(3 * (POOLED_SHAPES + 2))]
    leases = []
    for height in heights:
        prepared = preprocessor.prepare(frame_of(Image((street(height, 64),), "bgr24")))
        assert prepared.tensor.shape == (1, 3, height, 64)
        leases.append(prepared.lease)
    for lease in leases:  # also those whose pool has been forgotten
        assert lease is not None
        lease.release()
    assert len(made) == len(heights)


def test_a_standard_deviation_of_zero_is_refused() -> None:
    with pytest.raises(ModelError, match="std"):
        Preprocessor(InputSpec("images", std=(1.0, 0.0, 1.0)), Pool)


@pytest.mark.parametrize(
    "name",
    [
        "udacity_test_video.mp4",
        "udacity_solidWhiteRight.mp4",
        "kitti_2011_09_26_10fps_h264_bframes.mp4",
        "camvid_val_0016E5_15fps_h264.mp4",
    ],
)
def test_real_footage_comes_out_the_same_both_ways(shared: Path, name: str) -> None:
    import av

    preprocessor = Preprocessor(YOLO, Pool)
    with av.open(str(shared / "data/video" / name)) as container:
        picture = next(container.decode(video=0))
    image = PlaneReader(bgr=False)(picture)
    direct = preprocessor.prepare(frame_of(image)).tensor
    converted = preprocessor.prepare(frame_of(Image((image.bgr(),), "bgr24"))).tensor
    levels = np.abs(direct - converted) * 255
    assert levels.mean() < 0.7
    assert np.quantile(levels, 0.99) < 6
    # Nearer to what floating point gives than a frame that FFmpeg has converted.
    exact = in_floats(image, preprocessor.prepare(frame_of(image)).letterbox)
    usual = preprocessor.prepare(frame_of(PlaneReader(bgr=True)(picture))).tensor
    assert np.abs(direct - exact).mean() < np.abs(usual - exact).mean()


def in_floats(image: Image, letterbox: Letterbox) -> NDArray[np.float64]:
    """The tensor of a yuv420p picture with no rounding before the end."""
    height, width = image.size_hw
    chroma = [np.repeat(np.repeat(plane, 2, 0), 2, 1)[:height, :width] for plane in image.planes[1:]]
    table = yuv_to_rgb(image.matrix, image.full_range)
    rgb = np.clip(np.dstack([image.planes[0], *chroma]) @ table[:, :3].T + table[:, 3], 0, 255)
    content_h, content_w = letterbox.content_hw
    tensor = np.full((1, 3, *letterbox.network_hw), 114.0)
    rows, columns = slice(letterbox.top, letterbox.top + content_h), slice(letterbox.left, letterbox.left + content_w)
    tensor[0, :, rows, columns] = cv2.resize(rgb, (content_w, content_h)).transpose(2, 0, 1)
    return tensor / 255
