"""TensorRT for RTX on a stand-in (tests/fake_tensorrt_rtx): what it asks for beside what TensorRT does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import fake_plans
import numpy as np
import pytest
import tensorrt_rtx
import try_rtx
from fake_driver import FakeCuda
from fake_plans import fixed, means, noise, prepared
from networks import Net, sized
from steps import RtxMaker

from engines.backends.base import Backend, Options
from engines.backends.tensorrt import SLOTS
from engines.build import Built
from engines.device import open_device
from engines.plans import plans_dir
from engines.select import opener
from pipeline.types import Card


def opened(card: Card, **about: object) -> Backend:
    data = b"FAKE" + json.dumps({"profiles": [fixed(64, 96)], **about}).encode() + b"\n" + card.path.read_bytes()
    fake_plans.plan(card, [fixed(64, 96)], product="tensorrt-rtx", data=data)
    return opener("tensorrt-rtx")(card, Options())


def run(backend: Backend, count: int = 2 * SLOTS) -> None:
    for seed in range(count):
        tensor = noise(64, 96, seed)
        (inferred,) = backend.submit([prepared(tensor, seed)]).result()
        np.testing.assert_allclose(inferred.arrays()[0], means(tensor), rtol=1e-5)


def graphs(cuda: FakeCuda, backend: Backend) -> int:
    """How many graphs are launched for one frame."""
    before = cuda.report()["calls"].get("cuGraphLaunch", 0)
    run(backend, 1)
    return int(cuda.report()["calls"].get("cuGraphLaunch", 0)) - before


def test_a_plan_that_allocates_while_it_runs_is_not_captured(cuda: FakeCuda, card: Card) -> None:
    backend = opened(card, allocates=True)
    run(backend)
    if os.environ.get("DASHMASK_CUDA_API") != "pycuda":
        assert graphs(cuda, backend) == 2  # before it and behind it
    backend.close()


def test_a_plan_that_does_not_is_captured_with_its_copies(cuda: FakeCuda, card: Card) -> None:
    backend = opened(card)
    run(backend)
    if os.environ.get("DASHMASK_CUDA_API") != "pycuda":
        assert graphs(cuda, backend) == 1
    backend.close()


def compiles(card: Card) -> int:
    """How often something is compiled in a run."""
    tensorrt_rtx.compiled.clear()
    backend = opened(card)
    run(backend)
    backend.close()
    return len(tensorrt_rtx.compiled)


def test_what_was_compiled_is_shared_by_all_slots_and_kept_for_the_next_run(cuda: FakeCuda, card: Card) -> None:
    assert compiles(card) == 1
    assert compiles(card) == 0
    (kept,) = plans_dir().glob("*.compiled")
    kept.write_bytes(kept.read_bytes()[:-1])
    assert compiles(card) == 1  # what is damaged is passed over, and written again
    assert compiles(card) == 0


@pytest.fixture
def _built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans of the stand-in in place of those that RTX builds."""

    def build(card: Card, *, shapes_hw: list[tuple[int, int]], batches: list[tuple[int, int]], **more: Any) -> Built:
        shape = (batches[0][1], 3, *shapes_hw[0])
        data = b"FAKE" + json.dumps({"profiles": [[shape] * 3]}).encode() + b"\n" + card.path.read_bytes()
        plan = fake_plans.plan(card, [(shape, shape, shape)], product="tensorrt-rtx", data=data, precision="fp16")
        return Built(plan, ())

    monkeypatch.setattr("engines.build.build", build)


@pytest.mark.usefixtures("_built")
def test_the_benchmark_tries_a_network_and_then_finds_it_compiled(cuda: FakeCuda, card: Card, tmp_path: Path) -> None:
    tensorrt_rtx.compiled.clear()
    for compiled in (1, 1):
        try_rtx.main(str(card.path), "64", "96", str(tmp_path / "work"))
        assert len(tensorrt_rtx.compiled) == compiled


@pytest.mark.usefixtures("_built")
def test_the_benchmark_runs_a_network_in_memory_of_its_own(cuda: FakeCuda, card: Card, tmp_path: Path) -> None:
    net = Net("colours", sized(card, (64, 96)))
    device = open_device()
    with device.current():
        maker = RtxMaker(device, net, 2, half=True, work=tmp_path)
        networks, stream = [maker.network() for _ in range(2)], device.stream()
        for network in networks:
            ((shape, dtype),) = network.outputs
            given, found = np.concatenate([noise(64, 96, 0), noise(64, 96, 1)]), np.empty(shape, dtype)
            buffers = device.alloc(given.nbytes), device.alloc(found.nbytes)
            step = network.step(buffers[0], buffers[1:])
            device.upload(buffers[0], given, stream)
            step.enqueue(stream)
            device.download(found, buffers[1], stream)
            stream.synchronize()
            np.testing.assert_allclose(found, np.concatenate([means(row[None]) for row in given]), rtol=1e-5)
        maker.close()
    device.close()
