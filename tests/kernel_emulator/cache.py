"""Kernels of the host in the place of compiled ones: a process on the driver in host memory finds them there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engines.kernels.compile import SOURCES, keep
from kernel_emulator.build import host_kernels
from pipeline.errors import BackendError


def fill_cache(cache: Path, library: Path | None = None, binary: bytes = b"") -> None:
    """Keep them as what NVRTC compiled for the GPU of tests/fake_cuda; the test is skipped where NVRTC is not here.

    Args:
        cache: XDG_CACHE_HOME of the process.
        library: see build.host_kernels, which is the usual one.
        binary: in its place, what the driver is to refuse.
    """
    binary = binary or b"HOSTSO:" + os.fsencode(library or host_kernels()) + b"\0"
    try:
        for source in SOURCES:
            keep(source, (9, 0), binary, cache / "dashmask/kernels")
    except BackendError as error:  # NVRTC says under which name compiled kernels are kept
        pytest.skip(str(error))
