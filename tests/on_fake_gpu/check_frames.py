"""Backends that take frames, on a driver and kernels in host memory: a run gives the scenes of the CPU's stages.

TensorRT is tests/fake_tensorrt. ONNX Runtime's CPU provider stands in for CUDA's: see late_session.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import fake_plans
import numpy as np
import onnxruntime
import pytest
import tiny_models
from fake_driver import FakeCuda
from fake_plans import fixed
from kernel_emulator.cache import fill_cache
from late_session import cpu_as_cuda

from engines.backends import frames
from engines.backends.base import Options, takes_frames
from engines.backends.onnxruntime_cuda import open_on_device
from engines.backends.slot_backend import SlotBackend
from engines.card import read_card
from engines.device import open_device
from engines.select import Selection, opener
from pipeline.assemble import build
from pipeline.config import Config, DecodeConfig
from pipeline.errors import BackendError
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.networks import Network, frame_task
from pipeline.postprocess import decoder
from pipeline.preprocess import Preprocessor
from pipeline.types import Card, Frame, Scene, SourceInfo

Opened = Callable[[Card, Options], Any]
FORMATS: tuple[Any, ...] = ("yuv420p", "nv12", "bgr24", "yuv444p", "bgra32")


@pytest.fixture(scope="module", autouse=True)
def _kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    cache = tmp_path_factory.mktemp("cache")
    fill_cache(cache, Path(os.environ["DASHMASK_KERNELS_LIBRARY"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        cpu_as_cuda(patch)
        patch.setattr(frames, "_FOOTAGE_HW", (54, 96))  # the kernels of the host take seconds for more
        yield


class Frames:
    """A source of images that are there."""

    live = False

    def __init__(self, images: Sequence[Image]) -> None:
        self._images = images
        self.info = SourceInfo("frames", frames=len(images))

    def __enter__(self) -> Iterator[Frame]:
        return (Frame(at, at, Fraction(1, 10), 0.0, image) for at, image in enumerate(self._images))

    def __exit__(self, *error: object) -> None: ...


def picture(form: Any, size_hw: tuple[int, int], seed: int) -> Image:
    """Coarse noise, which networks tell apart."""
    height, width = size_hw
    half = (height + 1) // 2, (width + 1) // 2
    shapes = {
        "yuv420p": [(height, width), half, half],
        "nv12": [(height, width), (*half, 2)],
        "yuv444p": [(height, width)] * 3,
        "bgr24": [(height, width, 3)],
        "bgra32": [(height, width, 4)],
    }[form]
    rng = np.random.default_rng(seed)
    planes = []
    for rows, columns, *rest in shapes:
        cells = rng.integers(0, 256, (-(-rows // 8), -(-columns // 8), *rest), np.uint8)
        planes.append(np.ascontiguousarray(cells.repeat(8, 0).repeat(8, 1)[:rows, :columns]))
    return Image(tuple(planes), form)


@pytest.fixture
def semantic(tmp_path: Path) -> Card:
    card = fake_plans.semantic(tmp_path)
    fake_plans.plan(card, [fixed(72, 128), fixed(96, 128), fixed(48, 64)])
    return replace(card, input=replace(card.input, long_side=128))


@pytest.fixture
def objects(tmp_path: Path) -> Card:
    boxes = np.array([[8, 20, 30, 44], [34, 10, 60, 50]], np.float32)
    card = read_card(tiny_models.yolo_seg(tmp_path / "two.onnx", boxes, [0, 1], [0.9, 0.8]))
    fake_plans.plan(card, [fixed(64, 64)])
    return card


def tensorrt(card: Card, options: Options) -> Any:
    return opener("tensorrt")(card, options)


def onnxruntime_cuda(card: Card, options: Options) -> Any:
    return open_on_device(onnxruntime, card, options, open_device(), "CPUExecutionProvider", "cpu")


BOTH = pytest.mark.parametrize("open_backend", [tensorrt, onnxruntime_cuda])


def network(card: Card, open_backend: Opened, config: DecodeConfig | None = None, way: str = "frames") -> Network:
    config = config or DecodeConfig()
    preprocessor, decode = Preprocessor(card.input, Pool), decoder(card, config)
    task = frame_task(preprocessor, decode, config) if way == "frames" else None
    backend = open_backend(card, Options(workers=1, threads=1, task=task))
    return Network(card, Selection(backend, ()), preprocessor, decode)


def on_cpu(card: Card, config: DecodeConfig | None = None) -> Network:
    return network(card, opener("onnxruntime-cpu"), config, "tensors")


def scenes(nets: Sequence[Network], images: Sequence[Image], close: bool = True) -> list[Scene]:
    flow = build(Config(), Frames(images), nets, dropped=dict)
    try:
        with flow:
            return [picture.scene for picture in flow]
    finally:
        for net in nets if close else ():
            net.selection.backend.close()


def assert_same(found: Sequence[Scene], expected: Sequence[Scene]) -> None:
    assert [scene.frame.index for scene in found] == [scene.frame.index for scene in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one.labels is None, one.instances is None) == (other.labels is None, other.instances is None)
        if one.labels is not None and other.labels is not None:
            np.testing.assert_array_equal(one.labels.map, other.labels.map)
        if one.instances is not None and other.instances is not None:
            for name in ("boxes_xyxy", "scores", "class_ids", "crops_px", "offset", "arena"):
                np.testing.assert_array_equal(getattr(one.instances, name), getattr(other.instances, name))


@pytest.mark.parametrize(
    ("open_backend", "form"), [*((tensorrt, form) for form in FORMATS), (onnxruntime_cuda, "yuv420p")]
)
def test_every_format_gives_the_scenes_of_the_cpu(
    cuda: FakeCuda, semantic: Card, objects: Card, open_backend: Opened, form: Any
) -> None:
    images = [picture(form, (54, 96), seed) for seed in range(4)]
    expected = scenes([on_cpu(semantic), on_cpu(objects)], images)
    nets = [network(card, open_backend) for card in (semantic, objects)]
    assert [net.selection.backend.way for net in nets] == ["frames", "frames"]
    found = scenes(nets, images)
    assert_same(found, expected)
    assert {len(scene.instances or ()) for scene in found} == {2}
    assert all("infer" in scene.frame.stamps.spans for scene in found)
    assert not any({"preprocess", "postprocess"} & set(scene.frame.stamps.spans) for scene in found)


@BOTH
def test_one_network_may_take_frames_beside_one_that_takes_tensors(
    cuda: FakeCuda, semantic: Card, objects: Card, open_backend: Opened
) -> None:
    images = [picture("nv12", (54, 96), seed) for seed in range(5)]
    expected = scenes([on_cpu(semantic), on_cpu(objects)], images)
    assert_same(scenes([network(semantic, open_backend), on_cpu(objects)], images), expected)


def test_frames_of_several_sizes_and_formats_come_out_in_order(cuda: FakeCuda, semantic: Card) -> None:
    sizes = [(54, 96), (72, 96), (54, 96), (108, 192), (36, 48), (54, 96), (75, 100)] * 2
    images = [picture(FORMATS[seed % 5], size, seed) for seed, size in enumerate(sizes)]
    expected = scenes([on_cpu(semantic)], images)
    net = network(semantic, tensorrt)
    assert_same(scenes([net], images, close=False), expected)
    assert {(72, 128), (96, 128)} <= set(net.network_sizes)
    alive = cuda.report()["alive"]
    assert alive["pinned"] <= 3 * 4 * 2  # four shapes in each slot: frames in, labels out
    net.selection.backend.close()


def test_rules_are_those_of_the_configuration(cuda: FakeCuda, tmp_path: Path) -> None:
    boxes = np.array([[8, 20, 30, 44], [9, 21, 31, 45], [34, 10, 60, 50], [35, 11, 61, 51]], np.float32)
    card = read_card(tiny_models.yolo_seg(tmp_path / "four.onnx", boxes, [0, 1, 1, 1], [0.9, 0.8, 0.7, 0.2]))
    fake_plans.plan(card, [fixed(64, 64)])
    images = [picture("yuv420p", (54, 96), seed) for seed in range(2)]
    kept = set()
    for config in (
        DecodeConfig(conf=0.1, iou=0.95),
        DecodeConfig(conf=0.1, agnostic=True),
        DecodeConfig(conf=0.1, classes=("car",)),
        DecodeConfig(max_det=1),
        DecodeConfig(conf=0.95),
    ):
        expected = scenes([on_cpu(card, config)], images)
        assert_same(scenes([network(card, tensorrt, config)], images), expected)
        kept.add(len(expected[0].instances or ()))
    assert kept == {0, 1, 3}


def test_a_frame_costs_one_start_and_one_wait(cuda: FakeCuda, objects: Card) -> None:
    if os.environ.get("DASHMASK_CUDA_API") == "pycuda":
        pytest.skip("pycuda has no CUDA graphs")
    net = network(objects, tensorrt)
    backend = net.selection.backend
    assert takes_frames(backend)
    given = [Frame(seed, seed, Fraction(1, 10), 0.0, picture("yuv420p", (54, 96), seed)) for seed in range(12)]
    for frame in given[:6]:  # every slot plans its memory for this layout, then records
        backend.submit_frames([frame]).result()
    before = cuda.report()["calls"]
    for frame in given[6:]:
        backend.submit_frames([frame]).result()
    after = cuda.report()["calls"]
    grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    twice = dict.fromkeys(("cuCtxPushCurrent", "cuCtxPopCurrent"), 12)
    assert grown == twice | dict.fromkeys(("cuGraphLaunch", "cuEventRecord", "cuEventSynchronize"), 6)
    backend.close()


def test_a_plan_of_several_frames_takes_them_at_once(cuda: FakeCuda, tmp_path: Path) -> None:
    card = fake_plans.semantic(tmp_path)
    card = replace(card, input=replace(card.input, long_side=128))
    fake_plans.plan(card, [fixed(72, 128, most=4)])
    images = [picture("yuv420p", (54, 96), seed) for seed in range(11)]
    assert_same(scenes([network(card, tensorrt)], images), scenes([on_cpu(card)], images))


@pytest.mark.parametrize("why", ["layout", "objects"])
def test_what_the_kernels_do_not_serve_is_left_to_the_cpu_with_its_reason(
    cuda: FakeCuda, tmp_path: Path, objects: Card, why: str
) -> None:
    config = DecodeConfig(max_det=2000) if why == "objects" else DecodeConfig()
    if why == "layout":  # classes that the outputs do not fit
        objects = replace(objects, classes=replace(objects.classes, names=("a", "b", "c"), colours=((0, 0, 0),) * 3))
    net = network(objects, tensorrt, config)
    backend = net.selection.backend
    assert isinstance(backend, SlotBackend)
    assert backend.way == "tensors"
    assert ("at most 2000 objects" if why == "objects" else "are not read on the GPU") in backend.why_tensors
    if why == "objects":
        images = [picture("yuv420p", (54, 96), 0)]
        assert_same(scenes([net], images), scenes([on_cpu(objects, config)], images))
    backend.close()


def whole(net: Callable[[], Network], images: Sequence[Image], expected: Sequence[Scene]) -> str:
    """Open, run, close; the reason where frames are not taken."""
    opened = net()
    backend = opened.selection.backend
    why: str = backend.why_tensors  # type: ignore[attr-defined]
    assert_same(scenes([opened], images), expected)
    return why


# What fails while something is freed, or while a context is asked for, may leave it to the end of the process.
FREES = (
    *("cuMemFree", "cuMemFreeHost", "cuStreamDestroy", "cuEventDestroy", "cuGraphExecDestroy", "cuModuleUnload"),
    "cuGraphDestroy",
)
CONTEXT = ("cuCtxPushCurrent", "cuCtxPopCurrent", "cuDevicePrimaryCtxRelease")


@BOTH
@pytest.mark.parametrize("status", [2, 719])
def test_every_call_may_fail_and_nothing_is_left(
    cuda: FakeCuda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_backend: Opened, status: int
) -> None:
    monkeypatch.setattr(frames, "_FOOTAGE_HW", (18, 32))
    semantic = fake_plans.semantic(tmp_path)
    fake_plans.plan(semantic, [fixed(24, 32)])
    semantic = replace(semantic, input=replace(semantic.input, long_side=32))
    images = [picture("yuv420p", (18, 32), seed) for seed in range(4)]
    expected = scenes([on_cpu(semantic)], images)

    def net() -> Network:
        return network(semantic, open_backend)

    net().selection.backend.close()
    cuda.reset()
    assert whole(net, images, expected) == ""
    calls = {name: count for name, count in cuda.report()["calls"].items() if name != "cuGetErrorString"}
    assert calls["cuLaunchKernel"] > 6
    outcomes = set()
    for name, count in calls.items():
        for nth in sorted({1, count}):
            cuda.reset(f"{name}:{nth}:{status}")
            error, why = None, ""
            try:
                why = whole(net, images, expected)
            except BackendError as caught:
                error = caught
            gc.collect()
            report = cuda.report()
            what = f"{name}:{nth}:{status}: {error} {why}: {report}"
            outcomes.add("error" if error else "tensors" if why else "as ever")
            if name not in (*FREES, *CONTEXT):
                assert (report["alive"], report["current"], report["violations"]) == ({}, False, []), what
    cuda.reset()
    assert outcomes >= {"error", "as ever"}
    assert ("tensors" in outcomes) == (status == 2)


def test_a_gpu_that_goes_away_in_the_middle_leaves_the_rest_to_the_cpu(
    cuda: FakeCuda, semantic: Card, objects: Card
) -> None:
    if os.environ.get("DASHMASK_CUDA_API") == "pycuda":
        pytest.skip("pycuda has no CUDA graphs")
    from engines.backends.fallback import FallbackBackend

    images = [picture("nv12", (54, 96), seed) for seed in range(12)]
    expected = scenes([on_cpu(semantic), on_cpu(objects)], images)
    nets = []
    for card in (semantic, objects):
        net = network(card, tensorrt)
        task = frame_task(net.preprocessor, net.decoder, DecodeConfig())
        cpu = on_cpu(card).selection.backend
        backend = FallbackBackend(net.selection.backend, lambda error, cpu=cpu: cpu, task)  # type: ignore[misc]
        nets.append(replace(net, selection=Selection(backend, ())))
    cuda.fail("cuGraphLaunch:9+:719")
    assert_same(scenes(nets, images), expected)
    for net in nets:
        fallen: Any = net.selection.backend
        assert "tensorrt stopped at frame" in fallen.notes[0]
        assert "onnxruntime-cpu goes on" in fallen.notes[0]
