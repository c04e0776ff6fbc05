"""The device by way of pycuda, for who has it. It knows no CUDA graphs: the work is put into the stream each time.

pycuda keeps a stack of contexts of its own and frees streams, events and modules when Python lets go of them. What
the driver complains about while something is freed is printed by pycuda and cannot be caught.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engines.device.base import Argument, Dim3, Function, Graph, Stream
from engines.device.ledger import Owned, free_each
from engines.device.provider import ProviderDevice
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


class PycudaDevice(ProviderDevice):
    """See base.Device."""

    graphs = False

    def __init__(self, cuda: Any, api: str, ordinal: int) -> None:
        super().__init__(api, ordinal)
        self._cuda, self._driver = cuda, PycudaDriver(cuda)
        self._call = self._driver.call
        self._call(cuda.init)
        self._introduce(self._call(cuda.Device.count), self._call(cuda.get_driver_version))
        number = self._call(cuda.Device, ordinal)
        self.name = str(self._call(number.name))
        kinds = cuda.device_attribute
        self.compute_capability = (
            int(self._call(number.get_attribute, kinds.COMPUTE_CAPABILITY_MAJOR)),
            int(self._call(number.get_attribute, kinds.COMPUTE_CAPABILITY_MINOR)),
        )
        self.memory_total = int(self._call(number.total_memory))
        self._context = self._call(number.retain_primary_context)

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

    def _pin(self, shape: tuple[int, ...], dtype: DTypeLike) -> tuple[NDArray[Any], Owned]:
        array: NDArray[Any] = self._call(self._cuda.pagelocked_empty, shape, np.dtype(dtype))
        memory: Any = array.base
        return array, Owned(self._ledger, lambda: self._call(memory.free))

    def _to_device(self, to: int, array: NDArray[Any], stream: Stream) -> None:
        self._call(self._cuda.memcpy_htod_async, to, array, made_stream(stream))

    def _to_host(self, array: NDArray[Any], start: int, stream: Stream) -> None:
        self._call(self._cuda.memcpy_dtoh_async, array, start, made_stream(stream))

    def _on_device(self, to: int, start: int, nbytes: int, stream: Stream) -> None:
        self._call(self._cuda.memcpy_dtod_async, to, start, nbytes, made_stream(stream))

    def _set(self, to: int, byte: int, nbytes: int, stream: Stream) -> None:
        self._call(self._cuda.memset_d8_async, to, byte, nbytes, made_stream(stream))

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
        raise BackendError("pycuda has no CUDA graphs", hint="pip install -U cuda-python")

    def end_capture(self, stream: Stream) -> Graph:
        """Not here."""
        raise BackendError("pycuda has no CUDA graphs", hint="pip install -U cuda-python")

    def _push(self) -> None:
        self._call(self._context.push)

    def _pop(self) -> None:
        self._call(self._context.pop)

    def _pop_whatever_it_says(self) -> None:
        with suppress(self._cuda.Error):
            self._context.pop()

    def close(self) -> None:
        """Free everything, let go of the context."""
        if self._context is None:
            return
        context, self._context = self._context, None
        free_each((lambda: self._call(context.push), self._free, lambda: self._release(context)))

    def _free(self) -> None:
        self._free_behind([thing for thing in self._ledger.live if isinstance(thing, PycudaStream)])

    def _release(self, context: Any) -> None:
        # pycuda releases it only while it is current, whatever the thread, and then forgets to pop it.
        self._call(context.detach)
        self._driver.pop_context()
