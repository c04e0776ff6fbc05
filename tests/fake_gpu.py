"""A machine with a GPU, in host memory: the fake driver, compiled, and processes that see it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent


def build_driver(folder: Path, more: str = "") -> Path:
    """Compile tests/fake_cuda into libcuda.so.1 in a new folder; `more`: further C.

    Returns:
        The folder, for LD_LIBRARY_PATH.
    """
    compiler = (
        shutil.which("gcc")
        or shutil.which("cc")
        or pytest.skip("no C compiler for the driver in host memory: apt-get install gcc")
    )
    folder.mkdir(parents=True)
    extra = folder / "more.c"
    extra.write_text(more)
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    sources = [*sorted((HERE / "fake_cuda").glob("*.c")), extra]
    library = folder / "libcuda.so.1"
    subprocess.run(
        [compiler, *flags, "-Wl,-soname,libcuda.so.1", "-o", library, *sources, "-ldl", "-lpthread"], check=True
    )
    (folder / "libcuda.so").symlink_to(library.name)
    return folder


def need_cuda_python() -> None:
    """Skip the test where the driver could not be spoken to."""
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")


@dataclass(frozen=True)
class Ran:
    """How a process ended."""

    code: int
    out: str
    err: str
    report: dict[str, Any]  # of the driver: calls, alive, violations; empty where it was not loaded


def run_with_gpu(
    driver: Path | None,
    words: Sequence[object],
    folder: Path,
    *,
    python_path: Sequence[Path] = (),
    timeout_s: float = 60,
    **environment: str,
) -> Ran:
    """Run Python with arguments where the driver in a folder is found (None: where there is none)."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    path = [str(entry) for entry in (*python_path, HERE, ROOT)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*path, *filter(None, [os.environ.get("PYTHONPATH")])]),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "FAKE_CUDA_REPORT": str(report),
        **environment,
    }
    environment.pop("LD_LIBRARY_PATH", None)
    if driver is not None:
        environment["LD_LIBRARY_PATH"] = str(driver)
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    told = json.loads(report.read_text()) if report.is_file() else {}
    return Ran(done.returncode, done.stdout, done.stderr, told)


def run_checks(
    driver: Path, folder: Path, *names: str, python_path: Sequence[Path] = (), but: str = "", **environment: str
) -> str:
    """Run tests/on_fake_gpu/check_NAME.py by pytest in a process where the driver is found; but those that match.

    Returns:
        What pytest said. All of them passed.
    """
    words = ["-m", "pytest", "-p", "pytest_timeout", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml"]
    words += ["--rootdir", ROOT, "-q", *(["-k", f"not ({but})"] if but else [])]
    files = [HERE / f"on_fake_gpu/check_{name}.py" for name in names]
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}  # which takes longer than most checks
    ran = run_with_gpu(driver, [*words, *files], folder, python_path=python_path, timeout_s=110, **environment)
    assert ran.code == 0, ran.out + ran.err
    return ran.out
