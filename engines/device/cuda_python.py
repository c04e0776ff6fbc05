"""The device by way of cuda-python, NVIDIA's own bindings of the CUDA driver."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engines.device.base import Argument, Dim3, Function, Stream
from engines.device.cuda_objects import (
    CudaBuffer,
    CudaEvent,
    CudaFunction,
    CudaGraph,
    CudaModule,
    CudaStream,
    Driver,
    Pinned,
)
from engines.device.ledger import free_each
from engines.device.memory import array_at
from engines.device.provider import ProviderDevice
from pipeline.errors import BackendError


def open_cuda_python(ordinal: int) -> CudaPythonDevice:
    """The device of that number.

    Raises:
        BackendError: cuda-python is not installed, there is no driver or no such GPU.
    """
    try:
        import cuda.bindings
        from cuda.bindings import driver
    except ImportError as error:
        raise BackendError(f"cuda-python cannot be imported: {error}", hint="pip install -U cuda-python") from error
    return CudaPythonDevice(Driver(driver), f"cuda-bindings {cuda.bindings.__version__}", ordinal)


class CudaPythonDevice(ProviderDevice):
    """See base.Device. Retains the primary context once, and releases it in `close`."""

    graphs = True

    def __init__(self, driver: Driver, api: str, ordinal: int) -> None:
        super().__init__(api, ordinal)
        self._driver, self._call = driver, driver.call
        self._call("cuInit", 0)
        self._introduce(self._call("cuDeviceGetCount"), self._call("cuDriverGetVersion"))
        self._number = self._call("cuDeviceGet", ordinal)
        self.name = self._call("cuDeviceGetName", 256, self._number).split(b"\0")[0].decode(errors="replace")
        kinds = driver.cuda.CUdevice_attribute
        self.compute_capability = (
            int(self._call("cuDeviceGetAttribute", kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, self._number)),
            int(self._call("cuDeviceGetAttribute", kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, self._number)),
        )
        self.memory_total = int(self._call("cuDeviceTotalMem", self._number))
        self._context = self._call("cuDevicePrimaryCtxRetain", self._number)

    def memory_free(self) -> int:
        """Bytes that can still be had."""
        return int(self._call("cuMemGetInfo")[0])

    def stream(self) -> CudaStream:
        """A new stream."""
        return CudaStream(self._driver, self._ledger)

    def event(self, *, timed: bool = False) -> CudaEvent:
        """A new event."""
        return CudaEvent(self._driver, self._ledger, timed)

    def alloc(self, nbytes: int) -> CudaBuffer:
        """Memory on the GPU."""
        return CudaBuffer(self._driver, self._ledger, nbytes)

    def _pin(self, shape: tuple[int, ...], dtype: DTypeLike) -> tuple[NDArray[Any], Pinned]:
        nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        memory = Pinned(self._driver, self._ledger, nbytes)
        return array_at(memory.address, shape, dtype), memory

    def _to_device(self, to: int, array: NDArray[Any], stream: Stream) -> None:
        self._call("cuMemcpyHtoDAsync", to, array.ctypes.data, array.nbytes, stream.handle)

    def _to_host(self, array: NDArray[Any], start: int, stream: Stream) -> None:
        self._call("cuMemcpyDtoHAsync", array.ctypes.data, start, array.nbytes, stream.handle)

    def _on_device(self, to: int, start: int, nbytes: int, stream: Stream) -> None:
        self._call("cuMemcpyDtoDAsync", to, start, nbytes, stream.handle)

    def _set(self, to: int, byte: int, nbytes: int, stream: Stream) -> None:
        self._call("cuMemsetD8Async", to, byte, nbytes, stream.handle)

    def module(self, cubin: bytes) -> CudaModule:
        """Load compiled kernels."""
        return CudaModule(self._driver, self._ledger, cubin)

    def launch(
        self,
        function: Function,
        grid: Dim3,
        block: Dim3,
        args: Sequence[Argument],
        stream: Stream,
        shared_bytes: int = 0,
    ) -> None:
        """Start a kernel."""
        assert isinstance(function, CudaFunction)
        addresses = (ctypes.c_void_p * len(args))(*[ctypes.addressof(value) for value in args])
        where = ctypes.addressof(addresses)
        self._call("cuLaunchKernel", function.loaded, *grid, *block, shared_bytes, stream.handle, where, 0)

    def begin_capture(self, stream: Stream) -> None:
        """Record from now on; other threads go on as they like."""
        mode = self._driver.cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call("cuStreamBeginCapture", stream.handle, mode)

    def end_capture(self, stream: Stream) -> CudaGraph:
        """What was recorded."""
        return CudaGraph(self._driver, self._ledger, self._call("cuStreamEndCapture", stream.handle))

    def _push(self) -> None:
        self._call("cuCtxPushCurrent", self._context)

    def _pop(self) -> None:
        self._call("cuCtxPopCurrent")

    def _pop_whatever_it_says(self) -> None:
        with suppress(BackendError):
            self._driver.ask("cuCtxPopCurrent")

    def close(self) -> None:
        """Free everything, let go of the context."""
        if self._context is None:
            return
        free_each((self._free, lambda: self._call("cuDevicePrimaryCtxRelease", self._number)))

    def _free(self) -> None:
        try:
            with self.current():
                streams = [thing for thing in self._ledger.live if isinstance(thing, CudaStream)]
                self._free_behind(streams)
        finally:
            self._context = None
