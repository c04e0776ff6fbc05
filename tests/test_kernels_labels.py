"""Labels by the kernels: equal to pipeline.postprocess.semantic and to what pipeline.render paints."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_emulator.device import HostDevice
from kernel_emulator.shuffles import in_every_order, opened
from numpy.typing import NDArray

from engines.kernels.blending import Blending, blend_tables
from engines.kernels.labelling import Labelling
from engines.kernels.launch import Kernels
from engines.kernels.preparing import FrameLayout
from pipeline.config import DecodeConfig
from pipeline.errors import BackendError
from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.placement import place
from pipeline.postprocess.semantic import Semantic
from pipeline.render.canvas import Canvas, Palette
from pipeline.render.colours import legible
from pipeline.render.labels import LabelPainter
from pipeline.types import VOID, Card, Classes, Frame, Inferred, InputSpec, Labels, OutputSpec, Prepared

CITY = Classes(("road", "car", "sky"), ((128, 64, 128), (0, 0, 142), (70, 130, 180)))
FRAME_HW, NETWORK_HW = (135, 240), (72, 128)


def classes_of(count: int) -> Classes:
    return Classes(tuple(f"class {i}" for i in range(count)), tuple((7 * i % 256, 3, 5) for i in range(count)))


def by_cpu(
    outputs: NDArray[Any], classes: Classes, letterbox: Letterbox, *names: str, probability: bool = False
) -> list[NDArray[np.uint8]]:
    said = OutputSpec("y", (None, *outputs.shape[1:]), outputs.dtype.name, probability)
    card = Card("net", Path("net.onnx"), "semantic", classes, InputSpec("x"), (said,), "")
    decoder = Semantic(card, DecodeConfig(classes=names))
    frame = Frame(0, 0, Fraction(1, 25), 0.0, Image((np.zeros((*letterbox.frame_hw, 3), np.uint8),), "bgr24"))
    tensor = np.zeros((1, 3, *letterbox.network_hw), np.float32)
    prepared = Prepared(frame, tensor, letterbox)
    return [decoder.decode(Inferred(prepared, (output[None],))).map for output in outputs]


def by_kernel(
    device: HostDevice,
    kernels: Kernels,
    outputs: NDArray[Any],
    classes: Classes,
    letterbox: Letterbox,
    names: tuple[str, ...] = (),
    probability: bool = False,
) -> NDArray[np.uint8]:
    chosen = np.array([not names or name in names for name in classes.names])
    stream: Any = device.stream()
    about: Any = (outputs.shape, outputs.dtype, letterbox, chosen, probability)
    step = Labelling(device, kernels, stream, *about)  # type: ignore[arg-type]
    shape = len(outputs), *letterbox.frame_hw
    label_map = device.alloc(int(np.prod(shape)))
    step.run(device.put(outputs).ptr, label_map.ptr, len(outputs), stream)
    step.free()
    return device.get(label_map, shape, np.uint8)


def compare(
    outputs: NDArray[Any],
    classes: Classes,
    names: tuple[str, ...] = (),
    fit: str = "letterbox",
    probability: bool = False,
) -> None:
    letterbox = place(FRAME_HW, NETWORK_HW, fit)
    expected = by_cpu(outputs, classes, letterbox, *names, probability=probability)
    (found,) = in_every_order(lambda d, k: [by_kernel(d, k, outputs, classes, letterbox, names, probability)])
    np.testing.assert_array_equal(found, np.stack(expected))


@pytest.mark.parametrize("grid_hw", [NETWORK_HW, (36, 64), (9, 16), (71, 129)])
@pytest.mark.parametrize("count", [2, 19])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("last", [False, True])
def test_logits_become_the_labels_of_the_cpu(grid_hw: tuple[int, int], count: int, dtype: Any, last: bool) -> None:
    rng = np.random.default_rng(count)
    logits = rng.integers(-9, 9, (1, count, *grid_hw)).astype(dtype)  # whole numbers: many are equal
    compare(logits.transpose(0, 2, 3, 1) if last else logits, classes_of(count))


def test_numbers_that_are_none_become_void() -> None:
    logits = np.random.default_rng(0).normal(size=(1, 5, *NETWORK_HW)).astype(np.float32)
    for number, value in enumerate((np.nan, np.inf, -np.inf, np.nan)):
        logits[0, number, 10 + 10 * number : 18 + 10 * number, 20:40] = value
    compare(logits, classes_of(5))
    compare(logits.astype(np.float16), classes_of(5))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.bool_])
@pytest.mark.parametrize("shape", [(2, *NETWORK_HW), (2, 1, *NETWORK_HW), (2, *NETWORK_HW, 1)])
def test_labels_come_to_frame_size_as_on_the_cpu(dtype: Any, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    high = {np.bool_: 2, np.uint8: 256}.get(dtype, 300)
    low = -5 if dtype in (np.int32, np.int64) else 0
    compare(rng.integers(low, high, shape).astype(dtype), classes_of(19))


@pytest.mark.parametrize("count", [1, 2])
def test_one_channel_of_logits_tells_two_classes_apart(count: int) -> None:
    logits = np.random.default_rng(2).normal(size=(1, 1, 36, 64)).astype(np.float32)
    logits[0, 0, 3, 5:9] = np.nan, 0, -0.0, np.inf
    compare(logits, classes_of(count))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_one_channel_of_probabilities_tells_them_apart_at_a_half(dtype: Any) -> None:
    chances = np.random.default_rng(2).random((1, 36, 64)).astype(dtype)
    chances[0, 3, 5:8] = np.nan, 0.5, 1
    compare(chances, classes_of(2), probability=True)


def test_classes_that_nobody_asked_for_are_void_and_a_stretched_frame_is_read_too() -> None:
    logits = np.random.default_rng(3).normal(size=(2, 3, 36, 64)).astype(np.float32)
    compare(logits, CITY, ("car",), fit="stretch")


def test_outputs_that_only_the_cpu_reads_are_refused() -> None:
    device, kernels = opened(0)
    letterbox, stream = place(FRAME_HW, NETWORK_HW), device.stream()
    for shape, dtype in (
        ((1, 4, 9, 16), np.float32),
        ((1, 9, 16), np.float32),
        ((1, 9, 16), np.int8),
        ((1, 3, 9, 16), np.int32),
        ((9, 16), np.uint8),
        ((1, 256, 9, 16), np.float32),
    ):
        arguments: Any = (
            device,
            kernels,
            stream,
            shape,
            dtype,
            letterbox,
            np.ones(256 if shape[1] == 256 else 3, bool),
        )
        with pytest.raises(BackendError, match="not read on the GPU"):
            Labelling(*arguments)


def label_map(height: int, width: int, highest: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(height)
    blocks = rng.integers(0, highest + 1, (-(-height // 3), -(-width // 3)), np.uint8)
    return np.ascontiguousarray(np.kron(blocks, np.ones((3, 3), np.uint8))[:height, :width])


@pytest.mark.parametrize("form", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("highest", [2, VOID])
def test_colours_are_blended_as_the_renderer_does(form: Any, alpha: float, highest: int) -> None:
    size_hw = (90, 160) if form == "yuv420p" else (91, 161)
    rng = np.random.default_rng(4)
    layout = FrameLayout(form, size_hw)
    planes = [rng.integers(0, 256, shape, np.uint8) for shape in layout.shapes]
    labels = label_map(*size_hw, highest)
    packed = np.empty(layout.nbytes, np.uint8)
    layout.pack(Image(tuple(planes), form), packed)
    palette = Palette("bt601", False)
    colours = [palette(legible(rgb)) for rgb in CITY.colours]
    (found,) = in_every_order(lambda d, k: [blended(d, k, layout, colours, alpha, packed, labels)])
    canvas = Canvas(planes, [plane.shape != planes[0].shape for plane in planes], palette)
    LabelPainter(alpha).paint(canvas, Labels(labels, CITY))
    np.testing.assert_array_equal(found, np.concatenate([plane.ravel() for plane in planes]))


def test_a_bgr_picture_is_blended_pixel_by_pixel() -> None:
    rng = np.random.default_rng(5)
    bgr, labels = rng.integers(0, 256, (45, 77, 3), np.uint8), label_map(45, 77, 4)
    colours = [rgb[::-1] for rgb in CITY.colours]
    layout = FrameLayout("bgr24", (45, 77))
    (found,) = in_every_order(lambda d, k: [blended(d, k, layout, colours, 0.4, bgr.ravel(), labels)])
    tint = np.array([*colours, *[(0, 0, 0)] * 253])[labels]
    expected = np.where((labels < 3)[..., None], 0.6 * bgr + 0.4 * tint, bgr)
    assert np.abs(found.reshape(bgr.shape) - expected).max() <= 1  # two parts, each rounded
    np.testing.assert_array_equal(found.reshape(bgr.shape)[labels >= 3], bgr[labels >= 3])


def blended(
    device: HostDevice, kernels: Kernels, layout: FrameLayout, colours: Any, alpha: float, frame: Any, labels: Any
) -> NDArray[np.uint8]:
    """Once into memory of its own, once over the frame itself."""
    stream: Any = device.stream()
    step = Blending(device, kernels, stream, layout, colours, alpha)  # type: ignore[arg-type]
    frames, ids, out = device.put(frame), device.put(labels), device.alloc(layout.nbytes)
    step.run(frames.ptr, ids.ptr, out.ptr, 1, stream)
    drawn = device.get(out, (layout.nbytes,), np.uint8)
    np.testing.assert_array_equal(device.get(frames, frame.shape, np.uint8), frame)
    step.run(frames.ptr, ids.ptr, frames.ptr, 1, stream)
    np.testing.assert_array_equal(device.get(frames, frame.shape, np.uint8), drawn)
    step.free()
    return drawn


def test_planes_that_cannot_be_drawn_on_are_refused() -> None:
    device, kernels = opened(0)
    for layout in (FrameLayout("nv12", (4, 4)), FrameLayout("yuv420p", (5, 4))):
        arguments: Any = (device, kernels, device.stream(), layout, [(1, 2, 3)], 0.5)
        with pytest.raises(BackendError, match="not drawn on"):
            Blending(*arguments)


def test_half_and_half_drops_the_half_level_as_the_renderer_does() -> None:
    kept, added = blend_tables(np.array([[1, 2, 3]], np.uint8), 0.5)
    assert kept[255] == 127
    assert added[:, 0].tolist() == [0, 1, 2]  # 0.5, 1 and 1.5, to even
    assert not added[:, 1:].any()
