"""The life cycle of the device module on a real driver: every claim is a row that passed or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from report import Report, need_gpu, run

from engines.device import open_device
from engines.device.base import Device
from engines.device.errors import DeviceMemoryError
from engines.device.recorded import Download, Recorded, Upload
from pipeline.errors import BackendError

SIZE = 1 << 20


def main(report: Report) -> None:
    need_gpu(report)
    claims(report)


def claims(report: Report) -> None:
    """Try each, on a device of its own."""
    every: tuple[Callable[[Device], None], ...] = (
        bytes_come_back,
        copies_and_fills,
        a_graph_does_it_again,
        events_tell_time_and_order,
        too_much_memory_is_a_sentence,
        freeing_twice_is_legal,
        a_cubin_that_is_none_is_refused,
        nothing_is_left,
    )
    for claim in every:
        report.tried(lambda claim=claim: _tried(claim), claim=claim.__name__.replace("_", " "))  # type: ignore[misc]
    report.tried(_reopened, claim="a device that was closed can be opened again")


def _tried(claim: Callable[[Device], None]) -> dict[str, Any]:
    device = open_device()
    try:
        with device.current():
            claim(device)
    finally:
        device.close()
        device.close()
    return {"passed": True}


def _reopened() -> dict[str, Any]:
    return [_tried(bytes_come_back) for _ in range(3)][-1]


def bytes_come_back(device: Device) -> None:
    stream, buffer = device.stream(), device.alloc(SIZE)
    there, back = device.pinned((SIZE,), np.uint8), device.pinned((SIZE,), np.uint8)
    there[:] = np.random.default_rng(0).integers(0, 256, SIZE, np.uint8)
    device.upload(buffer, there, stream)
    device.download(back, buffer, stream)
    stream.synchronize()
    np.testing.assert_array_equal(there, back)


def copies_and_fills(device: Device) -> None:
    stream, one, two = device.stream(), device.alloc(SIZE), device.alloc(SIZE)
    device.fill(one, 7, SIZE, stream)
    device.fill(one, 9, 10, stream, offset=5)
    device.copy(two, one, SIZE - 5, stream, target_offset=5)
    back = device.pinned((SIZE,), np.uint8)
    device.download(back, two, stream)
    stream.synchronize()
    assert back[10:20].tolist() == [9] * 10
    assert set(back[20:].tolist()) == {7}


def a_graph_does_it_again(device: Device) -> None:
    stream, buffer = device.stream(), device.alloc(SIZE)
    there, back = device.pinned((SIZE,), np.uint8), device.pinned((SIZE,), np.uint8)
    work = Recorded(device, [Upload(device, there, buffer), Download(device, back, buffer)])
    for number in range(5):
        there[:] = number
        work.start(stream)
        stream.synchronize()
        assert set(back.tolist()) == {number}
    assert work.why_no_graph == "", work.why_no_graph
    work.free()
    work.free()


def events_tell_time_and_order(device: Device) -> None:
    one, two = device.stream(), device.stream()
    first, last = device.event(timed=True), device.event(timed=True)
    buffer, back = device.alloc(64 * SIZE), device.pinned((64 * SIZE,), np.uint8)
    first.record(one)
    device.fill(buffer, 3, 64 * SIZE, one)
    last.record(one)
    two.wait(last)
    device.download(back, buffer, two)
    two.synchronize()
    assert last.done()
    assert back.min() == 3
    assert 0 <= last.elapsed_ms(first) < 1000


def too_much_memory_is_a_sentence(device: Device) -> None:
    try:
        device.alloc(4 * device.memory_total)
    except DeviceMemoryError as error:
        print(error)
        bytes_come_back(device)  # and the device goes on
        return
    raise AssertionError("four times the GPU's memory was given")


def freeing_twice_is_legal(device: Device) -> None:
    buffer, array = device.alloc(SIZE), device.pinned((8,), np.uint8)
    buffer.free()
    buffer.free()
    device.unpin(array)


def a_cubin_that_is_none_is_refused(device: Device) -> None:
    try:
        device.module(b"not a cubin")
    except BackendError as error:
        print(error)
        return
    raise AssertionError("it was loaded")


def nothing_is_left(device: Device) -> None:
    before = device.memory_free()
    buffers = [device.alloc(64 * SIZE) for _ in range(4)]
    assert device.memory_free() <= before - 200 * SIZE
    for buffer in buffers:
        buffer.free()
    assert device.memory_free() >= before - 8 * SIZE


if __name__ == "__main__":
    run("device", main)
