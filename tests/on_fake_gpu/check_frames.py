"""Backends that take frames, on a driver and kernels in host memory: a run gives the scenes of the CPU's stages.

TensorRT is tests/fake_tensorrt. ONNX Runtime's CPU provider stands in for CUDA's: see late_session.
"""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import fake_plans
import numpy as np
import pytest
import tiny_models
from fake_driver import FakeCuda
from fake_plans import fixed
from frame_runs import (
    BOTH,
    FORMATS,
    Frames,
    Opened,
    assert_same,
    network,
    on_cpu,
    onnxruntime_cuda,
    picture,
    scenes,
    tensorrt,
)

from engines.backends.base import takes_frames
from engines.card import read_card
from pipeline.config import Config, DecodeConfig
from pipeline.running.assemble import build_lanes
from pipeline.running.lanes import Lane
from pipeline.types import Card, Frame

pytestmark = pytest.mark.usefixtures("host_kernels")


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
    twice = dict.fromkeys(("cuCtxPushCurrent", "cuCtxPopCurrent", "cuEventRecord", "cuEventElapsedTime"), 12)
    assert grown == twice | dict.fromkeys(("cuGraphLaunch", "cuEventSynchronize"), 6)
    backend.close()


def test_a_plan_of_several_frames_takes_them_at_once(cuda: FakeCuda, tmp_path: Path) -> None:
    card = fake_plans.semantic(tmp_path)
    card = replace(card, input=replace(card.input, long_side=128))
    fake_plans.plan(card, [fixed(72, 128, most=4)])
    images = [picture("yuv420p", (54, 96), seed) for seed in range(11)]
    assert_same(scenes([network(card, tensorrt)], images), scenes([on_cpu(card)], images))


def test_several_sources_share_a_batch_and_come_out_each_as_on_the_cpu(cuda: FakeCuda, tmp_path: Path) -> None:
    card = fake_plans.semantic(tmp_path)
    card = replace(card, input=replace(card.input, long_side=128))
    fake_plans.plan(card, [fixed(72, 128, most=2), fixed(96, 128)])
    films = [
        [picture(form, size, seed) for seed in range(5)] for form, size in (("yuv420p", (54, 96)), ("nv12", (72, 96)))
    ]
    films.append([picture("yuv420p", (54, 96), seed) for seed in range(10, 15)])
    net = network(card, tensorrt)
    flow = build_lanes(Config(), [Lane(Frames(film)) for film in films], [net], dropped=lambda number: {})
    with flow:
        found = [picture.scene for picture in flow]
    net.selection.backend.close()
    for number, film in enumerate(films):
        of_source = [scene for scene in found if scene.frame.source == number]
        assert_same(of_source, scenes([on_cpu(card)], film))
