"""What goes wrong where a backend takes frames: a reason, an error or another backend, and nothing is left behind."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_plans
import pytest
from fake_driver import FakeCuda
from fake_plans import fixed
from frame_runs import (
    BOTH,
    Opened,
    assert_same,
    network,
    on_cpu,
    picture,
    scenes,
    tensorrt,
)

from engines.backends import frames
from engines.backends.slot_backend import SlotBackend
from engines.select import Selection
from pipeline.config import DecodeConfig
from pipeline.errors import BackendError
from pipeline.image import Image
from pipeline.networks import Network, frame_task
from pipeline.types import Card, Scene

pytestmark = pytest.mark.usefixtures("host_kernels")


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
        for nth in sorted({1, count} if status == 2 else {count // 2 + 1}):  # one where little depends on when
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
