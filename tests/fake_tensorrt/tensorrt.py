"""A TensorRT that runs ONNX Runtime: what our backend calls of it, on the fake driver, whose memory is the host's.

A plan is `FAKE`, a line of JSON (`version`, `profiles`, `input`) and the ONNX file. As the real one it takes device
memory for each execution context, must have run, to its end, before it is captured, answers None or False where it
cannot, and crashes or hangs while it is imported where FAKE_TENSORRT says so.
"""

from __future__ import annotations

import ctypes
import enum
import json
import os
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__version__ = "10.16.1.11"
MAGIC = b"FAKE"

if os.environ.get("FAKE_TENSORRT") == "crash":
    ctypes.string_at(0)
elif os.environ.get("FAKE_TENSORRT") == "hang":
    time.sleep(600)
elif os.environ.get("FAKE_TENSORRT") == "broken":
    raise ImportError("libnvinfer.so.10: cannot open shared object file")

_cuda = ctypes.CDLL("libcuda.so.1")
_cuda.cuMemFree_v2.argtypes = (ctypes.c_void_p,)
_cuda.cuStreamIsCapturing.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
_HostFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_cuda.cuLaunchHostFunc.argtypes = (ctypes.c_void_p, _HostFunction, ctypes.c_void_p)


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError


# As the real one it speaks to the logger of the first object that is alive, whatever later ones were given.
_heard_by: weakref.ref[ILogger] | None = None
_alive = 0


def begin(logger: ILogger) -> None:
    global _heard_by, _alive
    if not _alive:
        _heard_by = weakref.ref(logger)
    _alive += 1


def end() -> None:
    global _alive
    _alive -= 1


def say(text: str, severity: ILogger.Severity = ILogger.Severity.ERROR) -> None:
    logger = _heard_by() if _heard_by is not None else None
    if logger is None:
        os.write(2, b"a logger is called that was freed\n")
        os.abort()
    logger.log(severity, text)


class Logger(ILogger):
    ERROR, WARNING = ILogger.Severity.ERROR, ILogger.Severity.WARNING

    def __init__(self, severity: ILogger.Severity) -> None:
        self.severity = severity

    def log(self, severity: ILogger.Severity, msg: str) -> None:
        if severity.value <= self.severity.value:
            os.write(2, f"[11/29/2026-12:00:00] [TRT] [{severity.name[0]}] {msg}\n".encode())


DataType = enum.Enum("DataType", ["FLOAT", "HALF", "INT32", "INT64", "UINT8", "INT8", "BOOL", "FP8"])
TensorIOMode = enum.Enum("TensorIOMode", ["INPUT", "OUTPUT"])
TensorLocation = enum.Enum("TensorLocation", ["DEVICE", "HOST"])
TensorFormat = enum.Enum("TensorFormat", ["LINEAR", "CHW2"])
_TYPES = {
    "tensor(float)": (DataType.FLOAT, np.float32),
    "tensor(float16)": (DataType.HALF, np.float16),
    "tensor(int64)": (DataType.INT64, np.int64),
    "tensor(uint8)": (DataType.UINT8, np.uint8),
    "tensor(double)": (DataType.FP8, np.float64),  # stands for a type that NumPy has not
}


def allocate(nbytes: int) -> ctypes.c_void_p | None:
    memory = ctypes.c_void_p()
    if _cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(nbytes)):
        say("Requested amount of GPU memory could not be allocated")
        return None
    return memory


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        self.logger = logger
        begin(logger)
        if os.environ.get("FAKE_TENSORRT") == "old driver":
            say("Unable to determine GPU memory usage", ILogger.Severity.WARNING)
            say("CUDA initialization failure with error: 35. Please check your CUDA", ILogger.Severity.WARNING)
            raise TypeError("pybind11::init(): factory function returned nullptr")

    def __del__(self) -> None:
        end()

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        if not serialized_engine.startswith(MAGIC):
            say("IRuntime::deserializeCudaEngine: Magic tag does not match")
            return None
        about, _, onnx = serialized_engine[len(MAGIC) :].partition(b"\n")
        memory = allocate(len(onnx))
        return None if memory is None else self.engine(json.loads(about), onnx, memory)

    def engine(self, about: dict[str, Any], onnx: bytes, memory: ctypes.c_void_p) -> ICudaEngine:
        return ICudaEngine(about, onnx, memory)


class ICudaEngine:
    def __init__(self, about: dict[str, Any], onnx: bytes, memory: ctypes.c_void_p) -> None:
        import onnxruntime

        self.memory = memory
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        self.about = about
        self.tensors = {one.name: one for one in (*self.session.get_inputs(), *self.session.get_outputs())}
        self.inputs = [one.name for one in self.session.get_inputs()]
        self.num_io_tensors = len(self.tensors)
        self.num_optimization_profiles = max(1, len(about["profiles"]))
        self.device_memory_size_v2 = 4096

    def __del__(self) -> None:
        _cuda.cuMemFree_v2(self.memory)

    def run(self, feeds: dict[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Row by row: the networks of the tests take one frame at a time."""
        names = [one.name for one in self.session.get_outputs()]
        rows = [
            self.session.run(names, {name: array[row : row + 1].copy() for name, array in feeds.items()})
            for row in range(len(feeds[self.inputs[0]]))
        ]
        return {name: np.concatenate(arrays) for name, arrays in zip(names, zip(*rows, strict=True), strict=True)}

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return _TYPES[self.tensors[name].type][0]

    def get_tensor_location(self, name: str) -> TensorLocation:
        return TensorLocation.DEVICE

    def get_tensor_format(self, name: str) -> TensorFormat:
        return TensorFormat.LINEAR

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(side if isinstance(side, int) else -1 for side in self.tensors[name].shape)

    def create_execution_context(self) -> IExecutionContext | None:
        memory = allocate(self.device_memory_size_v2)
        return None if memory is None else IExecutionContext(self, memory)


class IExecutionContext:
    def __init__(self, engine: ICudaEngine, memory: ctypes.c_void_p) -> None:
        self.engine, self.memory = engine, memory
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.profile = 0
        self.ran: list[bool] = []
        self.kept: list[Any] = []

    def __del__(self) -> None:
        _cuda.cuMemFree_v2(self.memory)

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self.profile = profile_index
        return profile_index < self.engine.num_optimization_profiles

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        profiles = self.engine.about["profiles"]
        if profiles:
            least, _, most = profiles[self.profile]
            if not all(a <= n <= b for a, n, b in zip(least, shape, most, strict=True)):
                say(f"{tuple(shape)} is outside of the profile")
                return False
        self.shapes[name] = tuple(shape)
        return True

    def infer_shapes(self) -> list[str]:
        if missing := [name for name in self.engine.inputs if name not in self.shapes]:
            return missing
        if self.engine.about.get("shapes") == "broken":
            say("a side of 0")
            raise RuntimeError("infer_shapes error code: -1")
        for name, array in self.engine.run({name: self._empty(name) for name in self.engine.inputs}).items():
            self.shapes[name] = array.shape
        return []

    def _empty(self, name: str) -> np.ndarray[Any, Any]:
        return np.zeros(self.shapes[name], _TYPES[self.engine.tensors[name].type][1])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.shapes.get(name, (-1,))

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self.addresses[name] = memory
        return memory % 256 == 0

    def execute_async_v3(self, stream_handle: int) -> bool:
        capturing = ctypes.c_int(0)
        if _cuda.cuStreamIsCapturing(stream_handle, ctypes.byref(capturing)):
            return False
        if set(self.addresses) != set(self.engine.tensors) or (capturing.value and not self.ran):
            say("an address is missing, or it is captured before it ran")
            return False
        function = _HostFunction(self._work())
        self.kept.append(function)  # a graph may call it as long as this context lives
        return not _cuda.cuLaunchHostFunc(stream_handle, function, None)

    def _work(self) -> Callable[[int], None]:
        addresses, shapes, engine, ran = dict(self.addresses), dict(self.shapes), self.engine, self.ran

        def memory(name: str) -> np.ndarray[Any, Any]:
            dtype = np.dtype(_TYPES[engine.tensors[name].type][1])
            nbytes = int(np.prod(shapes[name], dtype=np.int64)) * dtype.itemsize
            return np.frombuffer((ctypes.c_char * nbytes).from_address(addresses[name]), dtype).reshape(shapes[name])

        def work(_: int) -> None:
            ran[:] = [True]
            for name, array in engine.run({name: memory(name) for name in engine.inputs}).items():
                memory(name)[...] = array

        return work
