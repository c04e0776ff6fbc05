"""A device as these checks open it, and all that can be done with one."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from typing import cast

import numpy as np
import pytest

from engines.device import Api, open_device
from engines.device.base import Device
from engines.device.recorded import Download, Recorded, Upload
from pipeline.errors import BackendError

API = cast(Api, os.environ["DEVICE_API"])


SOURCE = """
#include <stddef.h>
struct Scale { float *data; int count; float by; };
const unsigned scale_params[] = {sizeof(struct Scale), 4, 0};
void scale(void **args, const unsigned grid[3], const unsigned block[3]) {
    struct Scale *scale = args[0];
    float plus = *(float *)args[1];
    unsigned threads = grid[0] * block[0];
    for (unsigned i = 0; i < threads && i < (unsigned)scale->count; i++)
        scale->data[i] = scale->data[i] * scale->by + plus;
}
"""


class Scale(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("count", ctypes.c_int), ("by", ctypes.c_float))


@pytest.fixture(scope="session")
def cubin(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "scale.c").write_text(SOURCE)
    compiler = shutil.which("gcc") or "cc"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "scale.so", folder / "scale.c"], check=True)
    return b"HOSTSO:" + str(folder / "scale.so").encode() + b"\0"


def opened() -> Device:
    return open_device(prefer=API)


def everything(cubin: bytes) -> None:
    """Use all that a device has."""
    device = opened()
    try:
        with device.current():
            first, second = device.stream(), device.stream()
            buffer, other = device.alloc(400), device.alloc(400)
            up, down = device.pinned((10, 10), np.float32), device.pinned((10, 10), np.float32)
            up[...] = np.arange(100).reshape(10, 10)
            began, ended = device.event(timed=True), device.event(timed=True)
            began.record(first)
            device.upload(buffer, up, first)
            function = device.module(cubin).function("scale")
            device.launch(function, (4, 1, 1), (32, 1, 1), [Scale(buffer.ptr, 100, 2.0), ctypes.c_float(1.0)], first)
            ended.record(first)
            second.wait(ended)
            device.copy(other, buffer, 400, second)
            device.fill(other, 0, 40, second)
            device.download(down, other, second)
            second.synchronize()
            ended.synchronize()
            assert ended.done()
            assert ended.elapsed_ms(began) >= 0
            np.testing.assert_array_equal(down[1:], up[1:] * 2 + 1)
            assert not down[0].any()
            if device.graphs:
                work = Recorded(device, [Upload(device, up, buffer), Download(device, down, buffer)])
                for number in range(4):
                    up.fill(number)
                    work.start(first)
                    first.synchronize()
                    assert (down == number).all()
                if work.why_no_graph:  # it goes on without; here that is what failed
                    raise BackendError(work.why_no_graph)
                work.free()
            assert device.memory_free() > 0
            buffer.free()
            device.unpin(up)
    finally:
        device.close()
