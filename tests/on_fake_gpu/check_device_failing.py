"""A GPU that refuses, breaks off or goes away: it is said, and nothing is left behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from device_parts import API, everything, opened
from device_parts import cubin as cubin
from fake_driver import FakeCuda

from engines.device.errors import DeviceLostError, DeviceMemoryError
from engines.device.recorded import Download, Recorded, Upload
from pipeline.errors import BackendError


def test_too_little_memory_is_said_and_the_device_goes_on(cuda: FakeCuda) -> None:
    device = opened()
    with device.current():
        with pytest.raises(DeviceMemoryError, match=r"cuMemAlloc: out of memory"):
            device.alloc(1 << 40)
        device.alloc(1 << 20)
    device.close()


def test_a_capture_that_fails_leaves_the_stream_in_order(cuda: FakeCuda) -> None:
    device = opened()
    if not device.graphs:
        with device.current(), pytest.raises(BackendError, match="no CUDA graphs"):
            device.begin_capture(device.stream())
        device.close()
        return

    class Broken:
        calls = 0

        def enqueue(self, stream: Any) -> None:
            Broken.calls += 1
            if Broken.calls == 2:  # the first time is before the capture
                raise BackendError("not today")

    with device.current():
        stream, buffer, array = device.stream(), device.alloc(4), device.pinned((4,), np.uint8)
        work = Recorded(device, [Upload(device, array, buffer), Broken(), Download(device, array, buffer)])
        for number in range(4):
            array.fill(number)
            work.start(stream)
            stream.synchronize()
            assert (array == number).all()
    assert work.why_no_graph == "not today"
    assert Broken.calls == 5
    device.close()


@pytest.mark.parametrize(("breaks", "graphs"), [("1", 1), ("1+", 0)])
def test_a_capture_that_another_thread_broke_is_tried_again(cuda: FakeCuda, breaks: str, graphs: int) -> None:
    device = opened()
    if not device.graphs:
        device.close()
        return
    with device.current():
        stream, buffer, array = device.stream(), device.alloc(4), device.pinned((4,), np.uint8)
        work = Recorded(device, [Upload(device, array, buffer), Download(device, array, buffer)])
        cuda.fail(f"cuStreamEndCapture:{breaks}:901")
        for _ in range(9):
            work.start(stream)
            stream.synchronize()
        calls = cuda.report()["calls"]
    assert bool(work.why_no_graph) != bool(graphs)
    assert calls.get("cuGraphInstantiate", 0) == graphs
    assert calls["cuStreamBeginCapture"] == (2 if graphs else 3)
    device.close()


@pytest.mark.parametrize("status", [214, 700, 719, 999])
def test_a_gpu_that_goes_away_is_told_as_such_and_closing_says_no_more(cuda: FakeCuda, status: int) -> None:
    device = opened()
    with device.current():
        stream, buffer, array = device.stream(), device.alloc(4), device.pinned((4,), np.uint8)
    cuda.fail(f"cuMemcpyHtoDAsync:1:{status}")
    with device.current():
        with pytest.raises(
            DeviceLostError, match=rf"the GPU cannot be used any more: cuMemcpyHtoDAsync: .* {status}"
        ):
            device.upload(buffer, array, stream)
        with pytest.raises(DeviceLostError):
            stream.synchronize()
    device.close()
    cuda.assert_clean()
    everything_again = opened()  # a new context works
    everything_again.close()


def test_a_status_that_the_bindings_do_not_know_is_a_sentence_as_well(cuda: FakeCuda) -> None:
    device = opened()
    with device.current():
        stream, buffer, array = device.stream(), device.alloc(4), device.pinned((4,), np.uint8)
        event = device.event()
        event.record(stream)
        stream.synchronize()
        cuda.fail("cuMemcpyHtoDAsync:1:12345,cuEventQuery:1:12345")
        for call in (lambda: device.upload(buffer, array, stream), event.done):
            with pytest.raises(BackendError, match=r"CUDA error 12345|an error of tomorrow"):
                call()
    device.close()


def test_a_status_that_the_bindings_do_not_know_hides_no_error(cuda: FakeCuda) -> None:
    if API == "pycuda":
        pytest.skip("pycuda knows every status")
    device = opened()
    cuda.fail("cuGraphDestroy:1:12345,cuCtxPopCurrent:1:12345")

    def work() -> None:
        with device.current():
            stream = device.stream()
            device.begin_capture(stream)
            device.end_capture(stream).free()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    cuda.reset()


FREES = ("cuMemFree", "cuMemFreeHost", "cuStreamDestroy", "cuEventDestroy", "cuModuleUnload", "cuGraphExecDestroy")


CONTEXT = ("cuCtxPushCurrent", "cuCtxPopCurrent", "cuCtxGetDevice", "cuDevicePrimaryCtxRelease")


# Whose failure nobody can be told of, as something else went wrong before, or as pycuda prints it and goes on.
SILENT = {"cuda-python": ("cuGraphDestroy",), "pycuda": (*FREES, "cuDevicePrimaryCtxRelease")}


@pytest.mark.parametrize("status", [1, 2, 999])
def test_every_call_may_fail(cuda: FakeCuda, cubin: bytes, status: int, capfd: pytest.CaptureFixture[str]) -> None:
    everything(cubin)
    calls = {name: count for name, count in cuda.report()["calls"].items() if name != "cuGetErrorString"}
    words = {1: "invalid argument", 2: "out of memory", 999: "unknown error"}[status]
    assert len(calls) > (25 if API == "pycuda" else 30)
    tried = 0
    for name, count in calls.items():
        for nth in range(1, min(count, 6) + 1):
            cuda.reset(f"{name}:{nth}:{status}")
            error = None
            try:
                everything(cubin)
            except BackendError as caught:
                error = caught
            report = cuda.report()
            tried += 1
            what = f"{name}:{nth}:{status}: {error}: {report}"
            assert report["calls"][name] >= nth, what
            if status == 999 and name in (*FREES, *CONTEXT) and error is None:
                pass  # lost while it was closed: there is nothing left to say
            elif status == 999 and name == "cuStreamSynchronize" and nth > count - 2 and error is None:
                pass  # as well: closing waits for both streams
            elif status == 2 and API == "pycuda" and name in ("cuMemAlloc", "cuMemHostAlloc"):
                pass  # pycuda collects garbage and tries again
            elif name not in SILENT[API]:
                assert error is not None, what
                assert words in str(error) or "no GPU" in str(error), what
            if name not in CONTEXT and not (name in FREES or name in SILENT[API]):
                assert report["alive"] == {}, what
                assert not report["current"], what
                assert report["violations"] == [], what
            elif name in FREES:  # what could not be freed dies with the context
                assert report["alive"] == {}, what
                assert not report["current"], what
                assert len(report["violations"]) <= 1, what
    assert tried > 50
    capfd.readouterr()
    cuda.reset()
