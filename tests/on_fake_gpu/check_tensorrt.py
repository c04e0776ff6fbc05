"""The TensorRT backend on a TensorRT that runs ONNX Runtime: the whole way, and its order."""

from __future__ import annotations

import gc
import os
import time

import fake_plans
import numpy as np
import pytest
from fake_driver import FakeCuda
from fake_plans import ask, fixed, means, noise, opened, prepared

from engines.backends.tensorrt import SLOTS
from pipeline.types import Card


def test_frames_come_back_right_and_in_order_with_all_slots_busy(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)])
    backend = opened(card)
    assert (backend.slots, backend.workers, backend.max_batch) == (SLOTS, 1, 1)
    tensors = [noise(64, 96, seed) for seed in range(20)]
    given = [tensor.copy() for tensor in tensors]
    waiting, done = [], []
    for index, tensor in enumerate(tensors):
        waiting.append((backend.submit([prepared(tensor, index)]), tensor))
        if len(waiting) == SLOTS:
            ticket, old = waiting.pop(0)
            done += ticket.result()
            old.fill(np.nan)  # its owner may do that now
    for ticket, _ in waiting:
        done += ticket.result()
    backend.close()
    assert [one.prepared.frame.index for one in done] == list(range(20))
    for one, tensor in zip(done, given, strict=True):
        np.testing.assert_allclose(one.arrays()[0], means(tensor), rtol=1e-5)


def test_a_frame_is_stamped_with_what_the_gpu_did_for_it(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)])
    backend = opened(card)
    began_s = time.monotonic()
    spans = []
    for index in range(4):
        (inferred,) = backend.submit([prepared(noise(64, 96, index), index)]).result()
        spans.append(inferred.prepared.frame.stamps.device[f"gpu: {card.name}"])
    ended_s = time.monotonic()
    backend.close()
    for begin_s, end_s in spans:
        assert (
            began_s <= begin_s <= end_s <= ended_s + 0.001
        )  # the clock of the driver and ours begin together at 1 ms
    assert spans == sorted(spans)


def test_it_answers_the_bytes_of_onnxruntime(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)])
    backend, reference = opened(card), opened(card, "onnxruntime-cpu", workers=1, threads=1)
    for seed in range(6):
        tensor = noise(64, 96, seed)
        np.testing.assert_array_equal(ask(backend, tensor), ask(reference, tensor))
    backend.close()


def test_more_tickets_than_slots_wait_for_the_oldest(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)])
    backend = opened(card)
    tensors = [noise(64, 96, seed) for seed in range(3 * SLOTS)]
    tickets = [backend.submit([prepared(tensor)]) for tensor in tensors]
    for ticket, tensor in reversed(list(zip(tickets, tensors, strict=True))):
        np.testing.assert_allclose(ticket.result()[0].arrays()[0], means(tensor), rtol=1e-5)
        assert ticket.result()[0] is ticket.result()[0]
    backend.close()


def test_a_batch_is_cut_as_the_plan_allows(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96, most=4), fixed(32, 64)])
    backend = opened(card)
    assert backend.max_batch == 4
    sizes = [(64, 96)] * 6 + [(32, 64)] * 2 + [(64, 96)]
    frames = [prepared(noise(*size, seed), seed) for seed, size in enumerate(sizes)]
    for _ in range(4):  # plainly, captured, replayed
        done = backend.submit(frames).result()
        assert [one.prepared for one in done] == frames
        for one in done:
            assert one.arrays()[0].shape[0] == 1
            np.testing.assert_allclose(one.arrays()[0], means(one.prepared.tensor), rtol=1e-5)
    assert backend.submit([]).result() == []
    backend.close()


def test_many_sizes_do_not_pile_up_memory(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [((1, 3, 8, 8), (1, 3, 64, 96), (1, 3, 640, 640))])
    backend = opened(card)
    for side in range(8, 8 * 16, 8):
        tensor = noise(side, side)
        np.testing.assert_allclose(ask(backend, tensor), means(tensor), rtol=1e-5)
    assert cuda.report()["alive"]["memory"] <= SLOTS * 4 * 3 + 1  # tensors and the context of each, and the engine
    backend.close()


def test_results_are_the_receivers_alone(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)])
    backend = opened(card)
    kept = [ask(backend, noise(64, 96, seed)) for seed in range(8)]
    backend.close()
    backend.close()
    del backend
    gc.collect()
    for seed, array in enumerate(kept):
        np.testing.assert_allclose(array, means(noise(64, 96, seed)), rtol=1e-5)
        assert array.flags.owndata


def test_everything_runs_as_one_graph_from_the_second_time_on(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)])
    backend = opened(card)
    if os.environ.get("DASHMASK_CUDA_API") == "pycuda":
        backend.close()
        pytest.skip("pycuda has no CUDA graphs")
    before = cuda.report()["calls"]
    for seed in range(5):
        ask(backend, noise(64, 96, seed))
    after = cuda.report()["calls"]
    grown = {name for name in after if after[name] != before.get(name, 0)}
    assert grown == {
        "cuCtxPushCurrent",
        "cuCtxPopCurrent",
        "cuGraphLaunch",
        "cuEventRecord",
        "cuEventSynchronize",
        "cuEventElapsedTime",
    }
    assert after["cuGraphLaunch"] - before["cuGraphLaunch"] == 5
    backend.close()


def test_the_precision_is_that_of_the_plan(cuda: FakeCuda, card: Card) -> None:
    fake_plans.plan(card, [fixed(64, 96)], precision="fp16")
    backend = opened(card)
    assert backend.precision == "fp16"
    assert "fp16" in backend.detail
    backend.close()
