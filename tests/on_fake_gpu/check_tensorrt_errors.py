"""What goes wrong with TensorRT's plans, memory and calls: it is a sentence, and nothing is left behind."""

from __future__ import annotations

import gc
import os
from datetime import UTC, datetime
from pathlib import Path

import fake_plans
import numpy as np
import pytest
import tiny_models
from fake_driver import FakeCuda
from fake_plans import ask, fixed, means, noise, opened, prepared
from onnx import TensorProto, helper

from engines.backends.slot_backend import SlotBackend
from engines.backends.tensorrt import SLOTS
from engines.device.errors import DeviceLostError
from engines.plans import manifest_path
from pipeline.errors import BackendError, ModelError
from pipeline.types import Card


def test_a_size_that_was_not_built_is_a_sentence_and_the_rest_goes_on(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)])
    backend = opened(card)
    with pytest.raises(BackendError, match=r"built for inputs of 1x3x64x96, 1x3x32x96 came .*--shapes 96x32"):
        backend.submit([prepared(noise(32, 96))])
    with pytest.raises(ModelError, match="expected an input"):
        backend.submit([prepared(noise(32, 96).astype(np.float64))])
    np.testing.assert_allclose(ask(backend, noise(64, 96)), means(noise(64, 96)), rtol=1e-5)
    backend.close()
    with pytest.raises(BackendError, match=r"1x3x640x640 came .*--shapes 640x640"):
        opened(card, shape_hw=(640, 640))


def test_without_a_plan_the_reason_names_the_command(cuda: FakeCuda, card: Card) -> None:
    with pytest.raises(BackendError, match=rf"no plan was built of it here \(`dashmask build {card.path}` "):
        opened(card)
    with pytest.raises(BackendError, match="tensorrt has no bf16"):
        opened(card, precision="bf16")


def test_plans_that_do_not_fit_are_passed_over_with_the_reason(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)], version="10.9.0.34")
    with pytest.raises(
        BackendError, match=r"no plan for this machine: .* built by tensorrt 10\.9\.0\.34, here is 10\.16\.1\.11"
    ):
        opened(card)


def test_a_plan_that_is_damaged_is_passed_over_for_one_that_is_whole(cuda: FakeCuda, card: Card) -> None:
    newest = fake_plans.plan(card, [fixed(64, 96)], precision="fp16")
    newest.path.write_bytes(newest.path.read_bytes()[:-1])
    with pytest.raises(BackendError, match="it is damaged"):
        opened(card)
    foreign = fake_plans.plan(card, [fixed(64, 96)], data=b"no engine", precision="int8")
    with pytest.raises(BackendError, match=r"none of 2 plans runs: .*Magic tag.*; .*damaged|.*damaged.*Magic tag"):
        opened(card)
    fake_plans.plan(card, [fixed(64, 96)], built=datetime(2020, 1, 1, tzinfo=UTC))
    backend = opened(card)
    assert "fp32" in backend.detail
    backend.close()
    manifest_path(foreign.path).write_text("{}")
    manifest_path(newest.path).unlink()
    opened(card).close()


def test_a_plan_of_other_tensors_is_refused_and_let_go_of_in_time(cuda: FakeCuda, card: Card, tmp_path: Path) -> None:
    other = tiny_models.fixed(tmp_path / "other.onnx", {"other": np.zeros((1, 3, 8, 12), np.float32)})
    fake_plans.plan(card, [fixed(64, 96)], data=b'FAKE{"profiles": []}\n' + other.read_bytes())
    with pytest.raises(BackendError, match=r"the tensors images, other, the card of m\.onnx says others") as caught:
        opened(card)
    cuda.assert_clean()  # while the error still holds on to where it came from
    assert caught.tb is not None


def test_a_plan_with_a_type_that_numpy_has_not_is_refused_and_let_go_of_in_time(
    cuda: FakeCuda, card: Card, tmp_path: Path
) -> None:
    outputs = [tiny_models.floats("scores", None, TensorProto.DOUBLE)]
    node = helper.make_node("Cast", ["image"], ["scores"], to=TensorProto.DOUBLE)
    inputs = [tiny_models.floats("image", (1, 3, 64, 96))]
    other = tiny_models.save(tmp_path / "other.onnx", [node], inputs, outputs)
    fake_plans.plan(card, [fixed(64, 96)], data=b'FAKE{"profiles": []}\n' + other.read_bytes())
    with pytest.raises(BackendError, match="which NumPy has not") as caught:
        opened(card)
    cuda.assert_clean()
    assert caught.tb is not None


def test_shapes_that_tensorrt_cannot_infer_are_a_reason(cuda: FakeCuda, card: Card) -> None:
    data = b'FAKE{"profiles": [], "shapes": "broken"}\n' + card.path.read_bytes()
    fake_plans.plan(card, [fixed(64, 96)], data=data)
    with pytest.raises(BackendError, match="tensorrt cannot tell the shapes: a side of 0"):
        opened(card)


def test_what_a_second_network_has_to_say_is_heard_after_the_first_one_is_gone(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)])
    first, second = opened(card), opened(card)
    first.close()
    del first
    gc.collect()
    cuda.fail("cuMemAlloc:1+:2")
    with pytest.raises(BackendError, match="could not be allocated"):
        opened(card)
    cuda.fail("")
    np.testing.assert_allclose(ask(second, noise(64, 96)), means(noise(64, 96)), rtol=1e-5)
    second.close()


def test_too_little_memory_is_a_reason(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)])
    cuda.fail("cuMemAlloc:4+:2")
    with pytest.raises(BackendError, match="memory"):
        opened(card)
    cuda.fail("")


def test_a_capture_that_fails_leaves_all_running_without_a_graph(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)])
    cuda.fail("cuStreamEndCapture:1+:901")
    backend = opened(card)
    for seed in range(8):
        np.testing.assert_allclose(ask(backend, noise(64, 96, seed)), means(noise(64, 96, seed)), rtol=1e-5)
    backend.close()


def whole(card: Card) -> None:
    """Open, run more than the slots hold, close."""
    backend = opened(card)
    try:
        tickets = [backend.submit([prepared(noise(64, 96, seed))]) for seed in range(SLOTS + 2)]
        for seed, ticket in enumerate(tickets):
            np.testing.assert_allclose(ticket.result()[0].arrays()[0], means(noise(64, 96, seed)), rtol=1e-5)
    finally:
        backend.close()


# A capture that fails is gone around; so is what happens while something is freed after another error.
CAPTURED = ("cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync", "cuLaunchHostFunc", "cuStreamIsCapturing")


GONE_AROUND = ("cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphInstantiate", "cuGraphDestroy", *CAPTURED)


FREES = ("cuMemFree", "cuMemFreeHost", "cuStreamDestroy", "cuEventDestroy", "cuGraphExecDestroy", "cuGraphDestroy")


CONTEXT = ("cuCtxPushCurrent", "cuCtxPopCurrent", "cuDevicePrimaryCtxRelease")


@pytest.mark.parametrize("status", [1, 719])
def test_every_call_may_fail_and_nothing_is_left(cuda: FakeCuda, card: Card, status: int) -> None:
    fake_plans.plan(card, [fixed(64, 96)])
    cuda.reset()
    whole(card)
    calls = {name: count for name, count in cuda.report()["calls"].items() if name != "cuGetErrorString"}
    assert len(calls) > 25
    for name, count in calls.items():
        for nth in sorted({1, count}):
            cuda.reset(f"{name}:{nth}:{status}")
            error = None
            try:
                whole(card)
            except BackendError as caught:
                error = caught
            gc.collect()
            report = cuda.report()
            what = f"{name}:{nth}:{status}: {error}: {report}"
            if report["calls"].get(name, 0) < nth:
                continue  # the count was of two loads, one of which is remembered
            if name not in (*GONE_AROUND, *FREES, *CONTEXT, "cuCtxSynchronize", "cuStreamSynchronize"):
                assert error is not None, what
            if name not in (*FREES, *CONTEXT):
                assert report["alive"] == {}, what
                assert not report["current"], what
                assert report["violations"] == [], what
    cuda.reset()


def test_a_gpu_that_goes_away_fails_what_was_under_way_and_closes(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)])
    backend = opened(card)
    assert isinstance(backend, SlotBackend)
    ask(backend, noise(64, 96))
    if os.environ.get("DASHMASK_CUDA_API") == "pycuda":
        backend.close()
        pytest.skip("pycuda has no CUDA graphs")
    cuda.fail("cuGraphLaunch:2:719")
    first = backend.submit([prepared(noise(64, 96))])
    with pytest.raises(BackendError, match="the GPU cannot be used any more: cuGraphLaunch: unspecified"):
        backend.submit([prepared(noise(64, 96))])
    with pytest.raises(BackendError, match="the GPU cannot be used any more: cuEventSynchronize"):
        first.result()
    backend.close()
    cuda.assert_clean()


def test_a_gpu_that_goes_away_inside_tensorrt_is_known_as_such(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96), fixed(32, 40)])
    backend = opened(card)
    cuda.fail("cuLaunchHostFunc:1:719")  # of a size that has no graph yet; TensorRT answers False and says nothing
    with pytest.raises(DeviceLostError, match="the GPU cannot be used any more: cuStreamSynchronize") as caught:
        backend.submit([prepared(noise(32, 40))])
    assert "tensorrt cannot run the network" in str(caught.value.__cause__)
    del caught
    backend.close()
    cuda.assert_clean()
