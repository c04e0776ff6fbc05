"""What this machine can run and why not, found out without importing or crashing anything."""

from __future__ import annotations

import ctypes
import platform
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from engines.machine import available_cores, cpu_name
from engines.packages import Fact, packages
from engines.telemetry import refuse_telemetry

TENSORRT = ("tensorrt", "tensorrt-rtx")
GPU = (*TENSORRT, "onnxruntime-cuda")
MODULES = {  # backend -> module it imports, how to install it
    "tensorrt": ("tensorrt", "pip install tensorrt"),
    "tensorrt-rtx": ("tensorrt_rtx", "pip install tensorrt-rtx"),
    "onnxruntime-cuda": ("onnxruntime", "pip install 'onnxruntime-gpu[cuda,cudnn]'"),
    "openvino": ("openvino", "pip install openvino"),
    "onnxruntime-cpu": ("onnxruntime", "pip install onnxruntime"),
}
WITH_CUDA = "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"
_LIBCUDA = "libcuda.so.1"
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
_DEADLINE_S = 30.0  # for TensorRT to load; from a slow disk it takes seconds
# A runtime without a driver that it likes ends the process, so another one tries it. It leaves without tearing down.
_LOAD = """
import os, sys
from importlib import import_module
module = import_module(sys.argv[1])
runtime = module.Runtime(module.Logger(module.Logger.WARNING))
print(module.__version__, flush=True)
os._exit(0)
"""
_NO_CUDA = re.compile(r"CUDA initialization failure with error:? (\d+)")
_OLD_DRIVER = "35"  # cudaErrorInsufficientDriver
_CUDA_IN_ONNXRUNTIME = """
import onnxruntime
print(onnxruntime.__version__, "CUDAExecutionProvider" in onnxruntime.get_available_providers())
"""


@dataclass(frozen=True, slots=True)
class Driver:
    """What the NVIDIA driver says."""

    version: str = ""  # newest CUDA that it runs, such as 13.0
    gpus: tuple[str, ...] = ()  # names
    reason: str = ""  # why there is no GPU to use; empty where there is


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of loading a library."""

    version: str = ""
    reason: str = ""  # why it does not load; empty where it does


def nvidia_driver(library: str = _LIBCUDA) -> Driver:
    """Ask the NVIDIA driver for its GPUs; under a millisecond where there is none.

    Only functions of libcuda's stable C interface are called, each after it was found; a library that lacks one is a
    reason, not a crash.

    Args:
        library: name or path of libcuda.
    """
    try:
        cuda = ctypes.CDLL(library)
    except OSError as error:
        if "No such file" in str(error):
            return Driver(reason=f"no NVIDIA driver ({library} was not found)")
        return Driver(reason=f"the NVIDIA driver cannot be loaded: {error}")
    number = ctypes.c_int(0)
    try:
        if status := cuda.cuInit(ctypes.c_uint(0)):
            return Driver(reason=_meaning(cuda, status))
        if status := cuda.cuDriverGetVersion(ctypes.byref(number)):
            return Driver(reason=_meaning(cuda, status))
        version = f"{number.value // 1000}.{number.value % 1000 // 10}"
        number.value = 0
        if status := cuda.cuDeviceGetCount(ctypes.byref(number)):
            return Driver(version, reason=_meaning(cuda, status))
        names = []
        for ordinal in range(number.value):
            device, text = ctypes.c_int(0), ctypes.create_string_buffer(256)
            status = cuda.cuDeviceGet(ctypes.byref(device), ctypes.c_int(ordinal))
            if status := status or cuda.cuDeviceGetName(text, ctypes.c_int(255), device):
                return Driver(version, reason=_meaning(cuda, status))
            names.append(text.value.decode(errors="replace"))
    except AttributeError as error:
        return Driver(reason=f"{library} is not NVIDIA's driver: {error}")
    return Driver(version, tuple(names), "" if names else "an NVIDIA driver, but no GPU")


def _meaning(cuda: ctypes.CDLL, status: int) -> str:
    if status == _NO_DEVICE:
        return "an NVIDIA driver, but no GPU that it can use"
    text = ctypes.c_char_p()
    if hasattr(cuda, "cuGetErrorString") and not cuda.cuGetErrorString(ctypes.c_int(status), ctypes.byref(text)):
        return f"the NVIDIA driver does not start: {(text.value or b'').decode(errors='replace')} ({status})"
    return f"the NVIDIA driver does not start: CUDA error {status}"


def why_not(backend: str) -> str:
    """Why a backend cannot run here, as far as a glance tells; empty: try it."""
    if backend in GPU and (reason := nvidia_driver().reason):
        return reason
    module, install = MODULES.get(backend, ("", ""))
    if module and not installed(module):
        return f"not installed ({install})"
    if backend in TENSORRT and not (installed("cuda.bindings") or installed("pycuda.driver")):
        return "neither cuda-python nor pycuda is installed (pip install -U cuda-python)"
    return ""


@cache
def tensorrt_here(product: str, deadline_s: float = _DEADLINE_S) -> Loaded:
    """Load TensorRT in a process of its own: a crash or a hang there is a reason. Asked once; a second or two.

    Args:
        product: one of TENSORRT.
        deadline_s: for it to load.
    """
    if reason := why_not(product):
        return Loaded(reason=reason)
    command = [sys.executable, "-P", "-c", _LOAD, MODULES[product][0]]
    try:
        child = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=deadline_s)
    except subprocess.TimeoutExpired:
        return Loaded(reason=f"{product} did not load within {deadline_s:g} s")
    except OSError as error:
        return Loaded(reason=f"{product} could not be tried: {error}")
    if child.returncode == 0:
        return Loaded((child.stdout.split() or [""])[-1])
    if child.returncode < 0:
        names = {one.value: one.name for one in signal.Signals}
        name = names.get(-child.returncode, f"signal {-child.returncode}")
        return Loaded(reason=f"{product} takes the process down when it is loaded ({name})")
    return Loaded(reason=f"{product} does not load: {_why_not_loaded(child.stdout + child.stderr)}")


def _why_not_loaded(said: str) -> str:
    """What TensorRT's log says of CUDA, which it calls a warning, and gives no object; else how Python ended."""
    if found := _NO_CUDA.search(said):
        older = "the NVIDIA driver is older than the CUDA that it was made for, " * (found[1] == _OLD_DRIVER)
        return f"{older}{found[0]}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it does not say why"


def installed(module: str) -> bool:
    """Whether a top-level module is there; it is not imported."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # ValueError: something put a module without a spec into sys.modules
        return False


def facts() -> list[Fact]:
    """Everything about this machine that decides what runs."""
    driver = nvidia_driver()
    gpus = f"{', '.join(driver.gpus)} (driver for CUDA {driver.version} and older)"
    return [
        Fact("system", "yes", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"),
        Fact("processor", "yes", f"{cpu_name()}, {available_cores()} cores to use"),
        Fact("gpu", "no" if driver.reason else "yes", driver.reason or gpus),
        *packages(),
        *map(_backend, MODULES),
    ]


def cuda_in_onnxruntime() -> Loaded:
    """Whether the ONNX Runtime that is imported, of several packages that there are, was built with CUDA."""
    if reason := why_not("onnxruntime-cuda"):
        return Loaded(reason=reason)
    refuse_telemetry()
    command = [sys.executable, "-P", "-c", _CUDA_IN_ONNXRUNTIME]
    try:
        child = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_DEADLINE_S)
    except (subprocess.TimeoutExpired, OSError) as error:
        return Loaded(reason=f"onnxruntime could not be tried: {error}")
    match child.stdout.split():
        case [version, "True"]:
            return Loaded(version)
        case [version, "False"]:
            return Loaded(reason=f"the installed onnxruntime {version} is built without CUDA ({WITH_CUDA})")
    return Loaded(reason="onnxruntime cannot be imported")


def _backend(name: str) -> Fact:
    tried = tensorrt_here(name) if name in TENSORRT else None
    loaded = tried or (cuda_in_onnxruntime() if name == "onnxruntime-cuda" else Loaded(reason=why_not(name)))
    can = f"{loaded.version} can be tried" if loaded.version else "can be tried"
    return Fact(f"backend {name}", "no" if loaded.reason else "yes", loaded.reason or can)
