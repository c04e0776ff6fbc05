"""Kernels of the host in the place of compiled ones: a process on the driver in host memory finds them there."""

from __future__ import annotations

import os
from pathlib import Path

from engines.kernels.compile import SOURCES, keep


def fill_cache(cache: Path, library: Path) -> None:
    """Keep them as what NVRTC compiled for the GPU of tests/fake_cuda.

    Args:
        cache: XDG_CACHE_HOME of the process.
        library: see build.host_kernels.
    """
    for source in SOURCES:
        keep(source, (9, 0), b"HOSTSO:" + os.fsencode(library) + b"\0", cache / "dashmask/kernels")
