"""The device by way of pycuda, for who has it. It knows no CUDA graphs: the work is put into the stream each time.

pycuda keeps a stack of contexts of its own and frees streams, events and modules when Python lets go of them. What
the driver complains about while something is freed is printed by pycuda and cannot be caught.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engines.device.base import Argument, DeviceBuffer, Dim3, Function, Graph, Stream
from engines.device.ledger import Ledger, Owned, free_each
from engines.device.memory import bytes_of, check_room
from engines.device.pycuda_objects import (
    PycudaBuffer,
    PycudaDriver,
    PycudaEvent,
    PycudaFunction,
    PycudaModule,
    PycudaStream,
    made_stream,
    packed,
)
from pipeline.errors import BackendError

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING, which pycuda has no name for


def open_pycuda(ordinal: int) -> PycudaDevice:
    """The device of that number.

    Raises:
        BackendError: pycuda is not installed or does not load, there is no driver or no such GPU.
    """
    try:
        import pycuda
        from pycuda import driver  # not pycuda.autoinit, which makes a context in whatever thread imports it
    except (ImportError, OSError) as error:
        raise BackendError(f"pycuda cannot be imported: {error}", hint="pip install pycuda") from error
    return PycudaDevice(driver, f"pycuda {pycuda.VERSION_TEXT}", ordinal)


class PycudaDevice:
    """See base.Device."""

    graphs = False

    def __init__(self, cuda: Any, api: str, ordinal: int) -> None:
        self.api, self.ordinal = api, ordinal
        self._cuda, self._driver = cuda, PycudaDriver(cuda)
        self._call = self._driver.call
        self._ledger = Ledger()
        self._pinned: dict[int, Owned] = {}
        self._call(cuda.init)
        count = self._call(cuda.Device.count)
        if not 0 <= ordinal < count:
            raise BackendError(f"there is no GPU {ordinal}: the driver has {count}")
        version = self._call(cuda.get_driver_version)
        self.driver = f"{version // 1000}.{version % 1000 // 10}"
        number = self._call(cuda.Device, ordinal)
        self.name = str(self._call(number.name))
        kinds = cuda.device_attribute
        self.compute_capability = (
            int(self._call(number.get_attribute, kinds.COMPUTE_CAPABILITY_MAJOR)),
            int(self._call(number.get_attribute, kinds.COMPUTE_CAPABILITY_MINOR)),
        )
        self.memory_total = int(self._call(number.total_memory))
        self._context: Any = self._call(number.retain_primary_context)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Push the primary context, pop it at the end."""
        if self._context is None:
            raise RuntimeError("the device was closed")
        self._call(self._context.push)
        try:
            yield
        except BaseException:
            with suppress(self._cuda.Error):  # what went wrong inside is told, not what follows from it
                self._context.pop()
            raise
        self._call(self._context.pop)

    def memory_free(self) -> int:
        """Bytes that can still be had."""
        return int(self._call(self._cuda.mem_get_info)[0])

    def stream(self) -> PycudaStream:
        """A new stream."""
        return PycudaStream(self._driver, self._ledger, self._call(self._cuda.Stream, _NON_BLOCKING))

    def event(self, *, timed: bool = False) -> PycudaEvent:
        """A new event."""
        kinds = self._cuda.event_flags
        flags = int(kinds.BLOCKING_SYNC) | (0 if timed else int(kinds.DISABLE_TIMING))
        return PycudaEvent(self._driver, self._ledger, self._call(self._cuda.Event, flags))

    def alloc(self, nbytes: int) -> PycudaBuffer:
        """Memory on the GPU."""
        return PycudaBuffer(self._driver, self._ledger, self._call(self._cuda.mem_alloc, nbytes), nbytes)

    def pinned(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Page-locked host memory, zeros."""
        array: NDArray[Any] = self._call(self._cuda.pagelocked_empty, tuple(shape), np.dtype(dtype))
        memory: Any = array.base
        self._pinned[array.ctypes.data] = Owned(self._ledger, lambda: self._call(memory.free))
        array.fill(0)
        return array

    def unpin(self, array: NDArray[Any]) -> None:
        """Free pinned memory."""
        if memory := self._pinned.pop(array.ctypes.data, None):
            memory.free()

    def upload(self, buffer: DeviceBuffer, array: NDArray[Any], stream: Stream, offset: int = 0) -> None:
        """Host to device."""
        check_room(buffer, offset, bytes_of(array))
        self._call(self._cuda.memcpy_htod_async, buffer.ptr + offset, array, made_stream(stream))

    def download(self, array: NDArray[Any], buffer: DeviceBuffer, stream: Stream, offset: int = 0) -> None:
        """Device to host."""
        check_room(buffer, offset, bytes_of(array))
        self._call(self._cuda.memcpy_dtoh_async, array, buffer.ptr + offset, made_stream(stream))

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
        self._call(self._cuda.memcpy_dtod_async, to, start, nbytes, made_stream(stream))

    def fill(self, buffer: DeviceBuffer, byte: int, nbytes: int, stream: Stream, offset: int = 0) -> None:
        """Set bytes on the device."""
        check_room(buffer, offset, nbytes)
        self._call(self._cuda.memset_d8_async, buffer.ptr + offset, byte, nbytes, made_stream(stream))

    def module(self, cubin: bytes) -> PycudaModule:
        """Load compiled kernels."""
        return PycudaModule(self._driver, self._ledger, self._call(self._cuda.module_from_buffer, cubin))

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
        assert isinstance(function, PycudaFunction)
        self._call(function.made._launch_kernel, grid, block, packed(args), shared_bytes, made_stream(stream))

    def begin_capture(self, stream: Stream) -> None:
        """Not here."""
        raise BackendError("pycuda has no CUDA graphs", hint="pip install cuda-python")

    def end_capture(self, stream: Stream) -> Graph:
        """Not here."""
        raise BackendError("pycuda has no CUDA graphs", hint="pip install cuda-python")

    def close(self) -> None:
        """Free everything, let go of the context."""
        if self._context is None:
            return
        context, self._context = self._context, None
        free_each((lambda: self._call(context.push), self._free, lambda: self._release(context)))

    def _free(self) -> None:
        # Nothing is freed under work that is still going on.
        free_each((lambda: self._call(self._cuda.Context.synchronize), self._ledger.free_all))

    def _release(self, context: Any) -> None:
        # pycuda releases it only while it is current, whatever the thread, and then forgets to pop it.
        self._call(context.detach)
        self._driver.pop_context()
