"""The same work in three orders of blocks and threads; with DASHMASK_KERNELS_ON=gpu three times on the GPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.kernels.launch import Kernels
from kernel_emulator.build import host_kernels
from kernel_emulator.device import HostDevice

SEEDS = (1, 2, 3)


def opened(seed: int) -> tuple[HostDevice, Kernels]:
    """A device of its own, and dashmask's kernels on it."""
    if os.environ.get("DASHMASK_KERNELS_ON") == "gpu":
        from kernel_emulator.gpu import GpuDevice

        gpu: Any = GpuDevice()
        return gpu, Kernels(gpu, _given())
    device = HostDevice(host_kernels(), seed)
    return device, Kernels(device, lambda source: b"")  # type: ignore[arg-type]


def _given() -> Callable[[str], bytes] | None:
    """Kernels of the host, where the GPU is one of host memory; None: NVRTC compiles them."""
    library = os.environ.get("DASHMASK_KERNELS_LIBRARY")
    return None if library is None else lambda source: b"HOSTSO:" + os.fsencode(library) + b"\0"


def in_every_order(
    work: Callable[[HostDevice, Kernels], Sequence[NDArray[Any]]], seeds: Sequence[int] = SEEDS
) -> list[NDArray[Any]]:
    """What some work gives: the same bytes in every order, nothing written beside a buffer."""
    results = []
    for seed in seeds:
        device, kernels = opened(seed)
        results.append([np.ascontiguousarray(array) for array in work(device, kernels)])
        device.close()
    for other in results[1:]:
        assert [array.tobytes() for array in other] == [array.tobytes() for array in results[0]]
    return results[0]
