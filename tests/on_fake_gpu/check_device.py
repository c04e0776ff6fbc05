"""The device: what goes in comes out, everything is freed once, and every call may fail."""

from __future__ import annotations

import gc
import os
import threading
from typing import Any

import numpy as np
import pytest
from device_parts import API, everything, opened
from device_parts import cubin as cubin
from fake_driver import FakeCuda

from engines.device import open_device
from pipeline.errors import BackendError


def test_all_that_a_device_has(cuda: FakeCuda, cubin: bytes) -> None:
    everything(cubin)


def test_a_device_says_what_it_is(cuda: FakeCuda) -> None:
    device = opened()
    assert (device.name, device.compute_capability, device.driver) == ("Fake GPU 0", (9, 0), "13.0")
    assert device.memory_total == 1 << 30
    assert API.partition("-")[0] in device.api
    device.close()


def test_a_gpu_that_is_not_there_is_a_sentence(cuda: FakeCuda) -> None:
    for ordinal in (1, -1):
        with pytest.raises(BackendError, match=f"there is no GPU {ordinal}: the driver has 1"):
            open_device(ordinal, prefer=API)


def test_nothing_is_current_before_and_after(cuda: FakeCuda) -> None:
    device = opened()
    assert not cuda.report()["current"]
    with device.current():
        assert cuda.report()["current"]
        with device.current():
            device.alloc(1)
        assert cuda.report()["current"]
    with pytest.raises(ZeroDivisionError), device.current():
        raise ZeroDivisionError
    assert not cuda.report()["current"]
    device.close()
    device.close()
    with pytest.raises(RuntimeError, match="closed"), device.current():
        pass


def test_it_may_be_opened_used_and_closed_by_three_threads(cuda: FakeCuda) -> None:
    found: list[Any] = []

    def use() -> None:
        with device.current():
            stream, buffer = device.stream(), device.alloc(40)
            array = device.pinned((10,), np.int32)
            array[:] = 7
            device.upload(buffer, array, stream)
            array[:] = 0
            stream.synchronize()
            device.download(array, buffer, stream)
            stream.synchronize()
            found.append(array.copy())

    threads = []

    def in_thread(function: Any) -> None:
        thread = threading.Thread(target=lambda: threads.append(function()))
        thread.start()
        thread.join()

    in_thread(opened)
    device = threads.pop()
    in_thread(use)
    # The upload ran when it was waited for, after the array was overwritten: the contract says to leave it alone.
    assert (found[0] == (7 if os.environ.get("FAKE_CUDA_EAGER") else 0)).all()
    device.close()


def test_freeing_twice_is_freeing_once(cuda: FakeCuda) -> None:
    device = opened()
    with device.current():
        things = [device.stream(), device.event(), device.alloc(8)]
        array = device.pinned((3,), np.uint8)
        for thing in (*things, *things):
            thing.free()
        device.unpin(array)
        device.unpin(array)
        del things, thing
        gc.collect()
        assert cuda.report()["alive"] == {}
    device.close()


def test_pinned_memory_is_an_array_of_noughts(cuda: FakeCuda) -> None:
    device = opened()
    with device.current():
        for shape, dtype in (((2, 3), np.float16), ((), np.int64), ((5,), np.uint8)):
            array = device.pinned(shape, dtype)
            assert array.shape == shape
            assert array.dtype == dtype
            assert not array.any()
            assert array.flags.c_contiguous
            assert array.flags.writeable
    device.close()


def test_arrays_that_do_not_fit_are_refused(cuda: FakeCuda) -> None:
    device = opened()
    with device.current():
        stream, buffer, other = device.stream(), device.alloc(16), device.alloc(8)
        with pytest.raises(ValueError, match="0 to 20 of a buffer of 16"):
            device.upload(buffer, np.zeros(5, np.float32), stream)
        with pytest.raises(ValueError, match="4 to 20 of a buffer of 16"):
            device.download(np.zeros(4, np.float32), buffer, stream, offset=4)
        with pytest.raises(ValueError, match="not contiguous"):
            device.upload(buffer, np.zeros((4, 4), np.uint8)[:, :2], stream)
        with pytest.raises(ValueError, match="0 to 16 of a buffer of 8"):
            device.copy(other, buffer, 16, stream)
        with pytest.raises(ValueError, match="-1 to 3"):
            device.fill(buffer, 0, 4, stream, offset=-1)
    device.close()


def test_kernels_of_another_kind_are_refused(cuda: FakeCuda, cubin: bytes) -> None:
    device = opened()
    with device.current():
        with pytest.raises(BackendError, match=r"cuModuleLoadData.*: device kernel image is invalid"):
            device.module(b"\x7fELF of another architecture\0")
        with pytest.raises(BackendError, match=r"kernel nowhere: cuModuleGetFunction: named symbol not found"):
            device.module(cubin).function("nowhere")
    device.close()


def test_what_another_device_records_is_left_alone_by_one_that_is_closed(cuda: FakeCuda) -> None:
    device, other = opened(), opened()
    if not device.graphs:
        other.close()
        device.close()
        return
    with device.current():
        stream, buffer, array = device.stream(), device.alloc(4), device.pinned((4,), np.uint8)
        with other.current():
            other.stream()
            other.alloc(4)
        device.begin_capture(stream)
        device.upload(buffer, array, stream)
        thread = threading.Thread(target=other.close)
        thread.start()
        thread.join()
        device.end_capture(stream).free()
    device.close()
