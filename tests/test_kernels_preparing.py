"""Frames to tensors by the kernels: the same bits as pipeline.preprocess, in every order of blocks and threads."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from kernel_emulator.device import HostDevice
from kernel_emulator.shuffles import in_every_order, opened
from numpy.typing import NDArray

from engines.kernels.launch import Kernels
from engines.kernels.preparing import FrameLayout, Preparing, normalisation
from engines.kernels.taps import resize_taps
from pipeline.errors import BackendError
from pipeline.flow import Pool
from pipeline.image import Image, Matrix, PixelFormat
from pipeline.letterbox import Letterbox
from pipeline.preprocess import Preprocessor
from pipeline.sources.planes import PlaneReader
from pipeline.types import Frame, InputSpec

YOLO = InputSpec("images")
IMAGENET = replace(YOLO, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
FORMATS: tuple[PixelFormat, ...] = ("bgr24", "yuv420p", "nv12", "yuv444p")
SIZES = [(720, 1280), (375, 1242), (361, 641), (101, 77), (1, 1)]  # halved exactly, odd, enlarged, upright, a dot


def picture(form: PixelFormat, size_hw: tuple[int, int], matrix: Matrix = "bt601", full_range: bool = False) -> Image:
    """Noise at every level, which no interpolation forgives; rows lie apart as a decoder's do."""
    rng = np.random.default_rng(sum(size_hw))
    planes = []
    for shape in FrameLayout(form, size_hw).shapes:
        room = rng.integers(0, 256, (shape[0], shape[1] + 16, *shape[2:]), np.uint8)
        room.flags.writeable = False
        planes.append(room[:, : shape[1]])
    return Image(tuple(planes), form, matrix, full_range)


def by_cpu(image: Image, spec: InputSpec) -> tuple[NDArray[Any], Letterbox]:
    prepared = Preprocessor(spec, Pool).prepare(Frame(0, 0, Fraction(1, 25), 0.0, image))
    return prepared.tensor, prepared.letterbox


def by_kernel(
    device: HostDevice, kernels: Kernels, images: list[Image], spec: InputSpec, letterbox: Letterbox
) -> NDArray[Any]:
    stream, layout = device.stream(), FrameLayout.of(images[0])
    frames = np.empty((len(images), layout.nbytes), np.uint8)
    for image, room in zip(images, frames, strict=True):
        layout.pack(image, room)
    step = Preparing(device, kernels, stream, layout, letterbox, spec)  # type: ignore[arg-type]
    sides = (3, *letterbox.network_hw) if spec.layout == "nchw" else (*letterbox.network_hw, 3)
    shape = len(images), *sides
    tensor = device.alloc(int(np.prod(shape)) * np.dtype(spec.dtype).itemsize)
    step.run(device.put(frames).ptr, tensor.ptr, len(images), stream)  # type: ignore[arg-type]
    step.free()
    return device.get(tensor, shape, spec.dtype)


def compare(image: Image, spec: InputSpec, seeds: tuple[int, ...] = (1,)) -> None:
    expected, letterbox = by_cpu(image, spec)
    (found,) = in_every_order(lambda d, k: [by_kernel(d, k, [image], spec, letterbox)], seeds)
    np.testing.assert_array_equal(found.view(np.uint8), expected.view(np.uint8))


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_and_size_gives_the_bits_of_the_cpu(form: PixelFormat, size_hw: tuple[int, int]) -> None:
    compare(picture(form, size_hw), YOLO, seeds=(1, 2, 3) if size_hw == (375, 1242) else (1,))


@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("full_range", [False, True])
def test_every_matrix_and_range_gives_the_bits_of_the_cpu(matrix: Matrix, full_range: bool) -> None:
    compare(picture("nv12", (180, 320), matrix, full_range), YOLO)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_every_kind_of_tensor_gives_the_bits_of_the_cpu(dtype: str, layout: str, colour: str) -> None:
    spec = replace(IMAGENET, dtype=dtype, layout=layout, colour=colour, pad=7)  # type: ignore[arg-type]
    compare(picture("bgr24", (90, 200)), spec if dtype != "uint8" else replace(spec, scale=100.0))


@pytest.mark.parametrize("size_hw", [(360, 640), (320, 640), (640, 640), (448, 896)])
def test_a_fixed_or_stretched_input_gives_the_bits_of_the_cpu(size_hw: tuple[int, int]) -> None:
    for fit in ("letterbox", "stretch"):
        compare(picture("yuv420p", (270, 480)), replace(YOLO, size_hw=size_hw, fit=fit))  # type: ignore[arg-type]


def test_interleaved_chroma_that_is_halved_exactly_is_rounded_as_on_the_cpu() -> None:
    compare(picture("nv12", (512, 1024)), replace(YOLO, size_hw=(128, 256)))  # (256, 512) of chroma to (128, 256)


def test_bgra_is_taken_as_bgr() -> None:
    image = picture("bgr24", (96, 128))
    bgra = Image((np.asarray(cv2.cvtColor(image.planes[0], cv2.COLOR_BGR2BGRA), np.uint8),), "bgra32")
    compare(bgra, YOLO)


def test_a_batch_is_its_frames() -> None:
    images = [picture("yuv420p", (99, 160)), picture("yuv420p", (99, 160), "bt601")]
    images[1] = Image(tuple(255 - plane for plane in images[1].planes), "yuv420p")
    letterbox = by_cpu(images[0], YOLO)[1]
    (found,) = in_every_order(lambda d, k: [by_kernel(d, k, images, YOLO, letterbox)])
    for image, tensor in zip(images, found, strict=True):
        np.testing.assert_array_equal(tensor, by_cpu(image, YOLO)[0][0])


@pytest.mark.parametrize("clip", ["udacity_test_video.mp4", "kitti_2011_09_26_10fps_h264_bframes.mp4"])
def test_decoded_footage_gives_the_bits_of_the_cpu(shared: Path, clip: str) -> None:
    with av.open(str(shared / "data/video" / clip)) as container:
        decoded = next(container.decode(video=0))
    for bgr in (False, True):
        compare(PlaneReader(bgr=bgr)(decoded), YOLO)


@pytest.mark.parametrize("source", [1, 2, 3, 7, 64, 359, 720])
@pytest.mark.parametrize("target", [1, 2, 5, 64, 360, 641])
def test_the_taps_are_those_of_cv2(source: int, target: int) -> None:
    values = np.random.default_rng(source).integers(0, 256, source, np.uint8)
    taps = resize_taps(source, target)
    assert (taps["near_weight"] + taps["far_weight"] == 2048).all()
    near, far = values[taps["first"]].astype(int), values[taps["second"]].astype(int)
    across = ((near * taps["near_weight"] + far * taps["far_weight"] >> 4) * 2048 >> 16) + 2 >> 2
    wide = cv2.resize(values[None], (target, 1), interpolation=cv2.INTER_LINEAR)
    assert across.tolist() == np.asarray(wide).ravel().tolist()
    parts = (near * 128 * taps["near_weight"] >> 16) + (far * 128 * taps["far_weight"] >> 16)
    high = cv2.resize(values[:, None], (1, target), interpolation=cv2.INTER_LINEAR)
    assert (parts + 2 >> 2).tolist() == np.asarray(high).ravel().tolist()


def test_a_standard_deviation_of_nothing_is_refused() -> None:
    device, kernels = opened(0)
    letterbox = Letterbox((4, 4), (4, 4), (4, 4), 0, 0)
    with pytest.raises(BackendError, match="std"):
        Preparing(
            device,  # type: ignore[arg-type]
            kernels,
            device.stream(),  # type: ignore[arg-type]
            FrameLayout("bgr24", (4, 4)),
            letterbox,
            replace(YOLO, std=(1.0, 0.0, 1.0)),
        )


def test_the_table_holds_the_numbers_of_the_formula() -> None:
    table = normalisation(IMAGENET)
    assert table.shape == (3, 256)
    assert table[1, 200] == np.float32((200 / 255 - 0.456) / 0.224)
