"""The device by way of cuda-python, NVIDIA's own bindings of the CUDA driver."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engines.device.base import Argument, DeviceBuffer, Dim3, Function, Stream
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
from engines.device.ledger import Ledger, free_each
from engines.device.memory import bytes_of, check_room, pinned_array
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
        raise BackendError(f"cuda-python cannot be imported: {error}", hint="pip install cuda-python") from error
    return CudaPythonDevice(Driver(driver), f"cuda-bindings {cuda.bindings.__version__}", ordinal)


class CudaPythonDevice:
    """See base.Device. Retains the primary context once, and releases it in `close`."""

    graphs = True

    def __init__(self, driver: Driver, api: str, ordinal: int) -> None:
        self.api, self.ordinal = api, ordinal
        self._driver, self._call = driver, driver.call
        self._ledger = Ledger()
        self._pinned: dict[int, Pinned] = {}
        self._call("cuInit", 0)
        count = self._call("cuDeviceGetCount")
        if not 0 <= ordinal < count:
            raise BackendError(f"there is no GPU {ordinal}: the driver has {count}")
        version = self._call("cuDriverGetVersion")
        self.driver = f"{version // 1000}.{version % 1000 // 10}"
        self._number = self._call("cuDeviceGet", ordinal)
        self.name = self._call("cuDeviceGetName", 256, self._number).split(b"\0")[0].decode(errors="replace")
        kinds = driver.cuda.CUdevice_attribute
        self.compute_capability = (
            int(self._call("cuDeviceGetAttribute", kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, self._number)),
            int(self._call("cuDeviceGetAttribute", kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, self._number)),
        )
        self.memory_total = int(self._call("cuDeviceTotalMem", self._number))
        self._context: Any = self._call("cuDevicePrimaryCtxRetain", self._number)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Push the primary context, pop it at the end."""
        if self._context is None:
            raise RuntimeError("the device was closed")
        self._call("cuCtxPushCurrent", self._context)
        try:
            yield
        except BaseException:
            self._driver.cuda.cuCtxPopCurrent()  # what went wrong inside is told, not what follows from it
            raise
        self._call("cuCtxPopCurrent")

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

    def pinned(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Page-locked host memory, zeros."""
        nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        memory = Pinned(self._driver, self._ledger, nbytes)
        self._pinned[memory.address] = memory
        return pinned_array(memory.address, shape, dtype)

    def unpin(self, array: NDArray[Any]) -> None:
        """Free pinned memory."""
        if memory := self._pinned.pop(array.ctypes.data, None):
            memory.free()

    def upload(self, buffer: DeviceBuffer, array: NDArray[Any], stream: Stream, offset: int = 0) -> None:
        """Host to device."""
        check_room(buffer, offset, nbytes := bytes_of(array))
        self._call("cuMemcpyHtoDAsync", buffer.ptr + offset, array.ctypes.data, nbytes, stream.handle)

    def download(self, array: NDArray[Any], buffer: DeviceBuffer, stream: Stream, offset: int = 0) -> None:
        """Device to host."""
        check_room(buffer, offset, nbytes := bytes_of(array))
        self._call("cuMemcpyDtoHAsync", array.ctypes.data, buffer.ptr + offset, nbytes, stream.handle)

    def copy(
        self,
        target: DeviceBuffer,
        source: DeviceBuffer,
        nbytes: int,
        stream: Stream,
        *,
        target_offset: int = 0,
        source_offset: int = 0,
    ) -> None:
        """Device to device."""
        check_room(target, target_offset, nbytes)
        check_room(source, source_offset, nbytes)
        to, start = target.ptr + target_offset, source.ptr + source_offset
        self._call("cuMemcpyDtoDAsync", to, start, nbytes, stream.handle)

    def fill(self, buffer: DeviceBuffer, byte: int, nbytes: int, stream: Stream, offset: int = 0) -> None:
        """Set bytes on the device."""
        check_room(buffer, offset, nbytes)
        self._call("cuMemsetD8Async", buffer.ptr + offset, byte, nbytes, stream.handle)

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

    def close(self) -> None:
        """Free everything, let go of the context."""
        if self._context is None:
            return
        free_each((self._free, lambda: self._call("cuDevicePrimaryCtxRelease", self._number)))

    def _free(self) -> None:
        try:
            with self.current():  # nothing is freed under work that is still going on
                free_each((lambda: self._call("cuCtxSynchronize"), self._ledger.free_all))
        finally:
            self._context = None
