"""Which packages are installed, whether they load, and what to do where they don't."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

_OPENCV = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_LISTED = (  # by their names on the package index
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "tensorrt",
    "tensorrt-rtx",
    "cuda-python",
    "cuda-bindings",
    "pycuda",
    "numpy",
    *_OPENCV,
    "av",
)
_EVERY_RUN = {"numpy": "numpy", **dict.fromkeys(_OPENCV, "cv2"), "av": "av"}  # package -> module that must load
_SAME_FILES = {("onnxruntime", "onnxruntime-gpu"): "onnxruntime-gpu", _OPENCV: "opencv-python"}  # -> which to keep
_DEADLINE_S = 30.0  # for a package to load; from a slow disk it takes seconds
_NOT_FOUND = re.compile(r"(\S+\.so[.\d]*): cannot open shared object file")
_FOR_OPENCV = (
    "on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0 (Fedora: dnf install mesa-libGL glib2); or, without "
    "windows (--show): pip uninstall -y opencv-python && pip install opencv-python-headless"
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line for people who wonder what this machine can run."""

    topic: str
    state: Literal["yes", "no", "problem"]
    detail: str
    hint: str = ""


def packages() -> Iterator[Fact]:
    """Which are installed; what no run can do without is loaded, in a process of its own."""
    from importlib.metadata import PackageNotFoundError, version  # takes 30 ms, which a run does not have

    found = {}
    for name in _LISTED:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    for name in _LISTED:
        if name in found:
            yield _loads(name, found[name])
        elif name not in _OPENCV or (name == _OPENCV[0] and not found.keys() & _OPENCV):
            yield Fact(name, "no", "not installed")
    for same, keep in _SAME_FILES.items():
        several = [name for name in same if name in found]
        if len(several) > 1:
            yield Fact(
                several[0],
                "problem",
                f"{' and '.join(several)} are both installed and overwrite each other's files",
                f"pip uninstall -y {' '.join(several)} && pip install {keep}",
            )


def lacking(module: str, said: str) -> tuple[str, str] | None:
    """What a module that is there wants of the system, and how to get it.

    Args:
        module: that could not be imported.
        said: the ImportError's message.

    Returns:
        A sentence and a hint; None where it is no library of the system that is missing.
    """
    missing = _NOT_FOUND.search(said)
    if missing is None:
        return None
    package, hint = module, "install the package of your system that has it"
    if module == "cv2":
        package, hint = _OPENCV[0], _FOR_OPENCV
    return f"{package} does not load: this system has no {missing[1]}", hint


def _loads(name: str, version: str) -> Fact:
    """A package that is installed; of those that every run imports, whether that can be done."""
    module = _EVERY_RUN.get(name)
    if module is None:
        return Fact(name, "yes", version)
    command = [sys.executable, "-P", "-c", f"import {module}"]
    try:
        child = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_DEADLINE_S)
    except subprocess.TimeoutExpired:
        return Fact(name, "problem", f"{version}, did not load within {_DEADLINE_S:g} s")
    except OSError as error:
        return Fact(name, "problem", f"{version}, could not be tried: {error}")
    if child.returncode == 0:
        return Fact(name, "yes", version)
    last = (child.stderr.strip().splitlines() or [f"the process ended with {child.returncode}"])[-1]
    sentence, hint = lacking(module, last) or (f"{name} does not load: {last[:300]}", "")
    return Fact(name, "problem", f"{version}, {sentence.removeprefix(name).strip()}", hint)
