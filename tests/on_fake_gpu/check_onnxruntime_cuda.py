"""The way around ONNX Runtime on CUDA: its CPU provider stands in for CUDA's, on memory that is the host's anyway.

What is proved: buffers, bindings, order, shapes, errors and life cycle. What is not: anything that CUDA computes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fake_plans
import numpy as np
import onnxruntime
import pytest
import tiny_models
from fake_driver import FakeCuda
from fake_plans import means, noise, prepared
from late_session import cpu_as_cuda
from onnx import TensorProto, helper

from engines.backends import onnxruntime_bound
from engines.backends.base import Backend, Options
from engines.backends.onnxruntime_cuda import open_on_device
from engines.card import read_card
from engines.device import open_device
from pipeline.errors import BackendError
from pipeline.types import Card


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return fake_plans.semantic(tmp_path)


@pytest.fixture(autouse=True)
def _the_cpu_is_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu_as_cuda(monkeypatch)


def opened(card: Card, **options: Any) -> Backend:
    return open_on_device(onnxruntime, card, Options(**options), open_device(), "CPUExecutionProvider", "cpu")


def ask(backend: Backend, tensor: np.ndarray) -> tuple[np.ndarray, ...]:
    (inferred,) = backend.submit([prepared(tensor)]).result()
    return inferred.arrays()


def test_cuda_that_cannot_be_loaded_is_named_and_nothing_is_printed(
    cuda: FakeCuda, card: Card, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcudart.so.13: no such file"))
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(BackendError, match=r"onnxruntime .* could not load CUDA: libcudart.so.13: no such file"),
    ):
        open_on_device(onnxruntime, card, Options(), open_device(), "CUDAExecutionProvider", "cuda")
    assert capfd.readouterr().out == ""


def test_frames_of_several_sizes_come_back_right_and_in_order(cuda: FakeCuda, card: Card) -> None:
    backend = opened(card, shape_hw=(64, 96))
    assert (backend.name, backend.slots, backend.precision) == ("onnxruntime-cuda", 3, "f32")
    sizes = [(64, 96), (32, 40), (8, 8), (64, 96), (16, 8), (8, 16), (24, 24), (64, 96)] * 3
    tensors = [noise(*size, seed) for seed, size in enumerate(sizes)]
    tickets = [backend.submit([prepared(tensor, index)]) for index, tensor in enumerate(tensors)]
    for index, (ticket, tensor) in enumerate(zip(tickets, tensors, strict=True)):
        (inferred,) = ticket.result()
        assert inferred.prepared.frame.index == index
        np.testing.assert_allclose(inferred.arrays()[0], means(tensor), rtol=1e-5)
    done = backend.submit([prepared(noise(8, 8, seed), seed) for seed in range(7)]).result()
    assert [one.prepared.frame.index for one in done] == list(range(7))
    backend.close()
    backend.close()
    np.testing.assert_allclose(done[6].arrays()[0], means(noise(8, 8, 6)), rtol=1e-5)


def test_outputs_of_every_type_come_in_the_order_of_the_card(cuda: FakeCuda, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    nodes = [
        helper.make_node("Neg", ["x"], ["negative"]),
        helper.make_node("ArgMax", ["x"], ["labels"], axis=1, keepdims=0),
        helper.make_node("Cast", ["labels"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
    ]
    shapes = {"negative": TensorProto.FLOAT, "bytes": TensorProto.UINT8, "half": TensorProto.FLOAT16}
    outputs = [tiny_models.floats(name, None, kind) for name, kind in shapes.items()]
    tiny_models.save(path, nodes, [tiny_models.floats("x", (1, 3, "h", "w"))], outputs)
    path.with_suffix(".yaml").write_text(
        "family: semantic\nclasses: [a, b, c]\noutputs: [half, bytes, negative]\ninput: {stride: 8}\n"
    )
    backend = opened(read_card(path), shape_hw=(16, 24))
    tensor = noise(16, 24)
    half, labels, negative = ask(backend, tensor)
    np.testing.assert_array_equal(half, tensor.astype(np.float16))
    np.testing.assert_array_equal(labels, tensor.argmax(1).astype(np.uint8))
    np.testing.assert_array_equal(negative, -tensor)
    backend.close()


def test_a_gpu_that_goes_away_is_known_by_its_number() -> None:
    def fails(text: str) -> None:
        raise RuntimeError(text)

    with pytest.raises(onnxruntime_bound.DeviceLostError, match="CUDA failure 700"):
        onnxruntime_bound.told_by(
            lambda: fails("CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; expr=...")
        )
    with pytest.raises(BackendError) as caught:
        onnxruntime_bound.told_by(lambda: fails("CUDA failure 2: out of memory ; GPU=0"))
    assert not isinstance(caught.value, onnxruntime_bound.DeviceLostError)


@pytest.mark.parametrize("status", [1, 719])
def test_every_call_may_fail_and_nothing_is_left(cuda: FakeCuda, card: Card, status: int) -> None:
    def whole() -> None:
        backend = opened(card, shape_hw=(16, 16))
        try:
            for seed in range(3):
                tensor = noise(16, 16, seed)
                np.testing.assert_allclose(ask(backend, tensor)[0], means(tensor), rtol=1e-5)
        finally:
            backend.close()

    whole()
    calls = cuda.report()["calls"]
    frees = ("cuMemFree", "cuMemFreeHost", "cuStreamDestroy", "cuEventDestroy")
    context = ("cuCtxPushCurrent", "cuCtxPopCurrent", "cuDevicePrimaryCtxRelease")
    for name, count in calls.items():
        for nth in sorted({1, count}):
            cuda.reset(f"{name}:{nth}:{status}")
            error = None
            try:
                whole()
            except BackendError as caught:
                error = caught
            report = cuda.report()
            what = f"{name}:{nth}:{status}: {error}: {report}"
            if name not in (*frees, *context):
                assert (report["alive"], report["current"], report["violations"]) == ({}, False, []), what
                assert error is not None or name in ("cuStreamSynchronize", "cuCtxSynchronize"), what
    cuda.reset()
