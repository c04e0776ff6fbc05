"""The kernels as a library of the host, compiled once in a process."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

import engines.kernels
from engines.kernels.compile import SOURCES

HERE = Path(__file__).parent
KERNELS = Path(engines.kernels.__file__).parent
# -ffp-contract=off as --fmad=false; undefined behaviour, and addresses that a GPU would refuse, end the process.
FLAGS = (
    "-std=c++17",
    "-O1",
    "-fPIC",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Wno-unknown-pragmas",
    "-Werror",
    f"-I{KERNELS}",
)
CHECKS = ("-fsanitize=undefined", "-fno-sanitize-recover=all", "-static-libubsan")


@cache
def host_kernels() -> Path:
    """All kernels of dashmask in one .so; the test is skipped where there is no g++."""
    return build("kernels", [KERNELS / f"{source}.cu" for source in SOURCES])


def build(name: str, sources: Sequence[Path]) -> Path:
    """A .so of some .cu files and the emulator."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ to compile the kernels for the host: apt-get install g++")
    library = _folder() / f"{name}.so"
    emulator = ["-include", str(HERE / "emulator.h")]
    files = ["-x", "c++", *map(str, sources), str(HERE / "emulator.cpp")]
    command = [compiler, *FLAGS, *CHECKS, *emulator, *files, "-shared", "-o", str(library)]
    subprocess.run(command, check=True, timeout=100)
    return library


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="dashmask-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
