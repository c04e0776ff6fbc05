"""The contract of a CUDA device: what the backends and the kernels may ask of it.

Two files keep it, `cuda_python` and `pycuda`; nothing else in dashmask calls the CUDA driver. `open_device` says
which one it is. Every method but `current` and `close` needs the device's context to be current in the calling
thread:

    device = open_device()
    with device.current():  # pushes the primary context, pops it in `finally`
        stream = device.stream()
        buffer = device.alloc(1 << 20)
        device.upload(buffer, array, stream)
        stream.synchronize()
    device.close()  # frees what is still alive, newest first, and lets go of the primary context

Every status of the driver is checked: an error is a BackendError that names the call and says it in CUDA's own
words, and DeviceLostError (`errors`) where the context cannot be used any more.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

from numpy.typing import DTypeLike, NDArray

Argument: TypeAlias = "ctypes._SimpleCData[Any] | ctypes.Structure"  # a pointer is ctypes.c_void_p(buffer.ptr)
Dim3 = tuple[int, int, int]  # x, y, z


class DeviceBuffer(Protocol):
    """Memory on the GPU, aligned to 256 bytes at least."""

    @property
    def ptr(self) -> int:
        """Address on the GPU."""
        ...

    @property
    def nbytes(self) -> int: ...

    def free(self) -> None:
        """Give it back; legal twice. Work on any stream that uses it must be done."""
        ...


class Stream(Protocol):
    """A queue of work: what is put into one stream runs in order, two streams run beside each other."""

    @property
    def handle(self) -> int:
        """CUstream as an integer, for TensorRT's `execute_async_v3` and the like."""
        ...

    def synchronize(self) -> None:
        """Wait until all of it is done; raises what went wrong in it."""
        ...

    def wait(self, event: Event) -> None:
        """Let what comes later in this stream wait for an event; returns at once."""
        ...

    def free(self) -> None: ...


class Event(Protocol):
    """A mark in a stream."""

    def record(self, stream: Stream) -> None:
        """Put the mark behind what is in the stream now."""
        ...

    def synchronize(self) -> None:
        """Wait until the work before the mark is done, without spinning; raises what went wrong in it."""
        ...

    def done(self) -> bool:
        """Whether the work before the mark is done."""
        ...

    def elapsed_ms(self, since: Event) -> float:
        """Milliseconds between two marks, both done and both made with `event(timed=True)`."""
        ...

    def free(self) -> None: ...


class Function(Protocol):
    """A kernel, ready to launch."""

    @property
    def name(self) -> str: ...


class Module(Protocol):
    """A loaded cubin."""

    def function(self, name: str) -> Function:
        """The kernel of that name (`extern "C"`); BackendError where the cubin lacks it."""
        ...

    def free(self) -> None:
        """Unload; its functions are of no use any more."""
        ...


class Graph(Protocol):
    """Captured work: copies and launches with their addresses, started by one call."""

    def launch(self, stream: Stream) -> None:
        """Put all of it into a stream; it reads and writes the addresses that it was captured with."""
        ...

    def free(self) -> None: ...


class Device(Protocol):
    """One GPU. Owned by one thread at a time; what it makes belongs to it and dies with `close` at the latest."""

    api: str  # the package behind it and its version, such as `cuda-bindings 13.0.3`
    ordinal: int
    name: str  # such as `NVIDIA H200`
    compute_capability: tuple[int, int]
    driver: str  # newest CUDA that the driver runs, such as `13.0`
    memory_total: int  # bytes
    graphs: bool  # whether begin_capture and end_capture work; pycuda has none

    def current(self) -> AbstractContextManager[None]:
        """Push the primary context in this thread, pop it at the end; may be nested. About 2 us."""
        ...

    def memory_free(self) -> int:
        """Bytes that can still be had, roughly."""
        ...

    def stream(self) -> Stream:
        """A new stream, which does not wait for the default stream."""
        ...

    def event(self, *, timed: bool = False) -> Event:
        """A new event; waiting for it yields the processor."""
        ...

    def alloc(self, nbytes: int) -> DeviceBuffer:
        """Memory on the GPU; nbytes at least 1. DeviceMemoryError where there is too little."""
        ...

    def pinned(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Host memory that the GPU copies from and to by itself: (shape) dtype, C order, zeros.

        Valid until it is given to `unpin`, or the device is closed: no view of it may be used later.
        """
        ...

    def unpin(self, array: NDArray[Any]) -> None:
        """Free what `pinned` gave, that very array; legal twice. Work on any stream that uses it must be done."""
        ...

    def upload(self, buffer: DeviceBuffer, array: NDArray[Any], stream: Stream, offset: int = 0) -> None:
        """Copy host to device, in the stream; only a pinned array returns at once.

        Args:
            buffer: takes it, from byte `offset` on.
            array: C-contiguous; left alone until the stream is past it.
        """
        ...

    def download(self, array: NDArray[Any], buffer: DeviceBuffer, stream: Stream, offset: int = 0) -> None:
        """Copy device to host, in the stream; only a pinned array returns at once.

        Args:
            array: C-contiguous; holds the bytes once the stream is past it.
            buffer: read from byte `offset` on.
        """
        ...

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
        """Copy bytes from one place on the device to another, in the stream."""
        ...

    def fill(self, buffer: DeviceBuffer, byte: int, nbytes: int, stream: Stream, offset: int = 0) -> None:
        """Set bytes on the device, in the stream."""
        ...

    def module(self, cubin: bytes) -> Module:
        """Load compiled kernels; BackendError where they are for another architecture."""
        ...

    def launch(
        self,
        function: Function,
        grid: Dim3,
        block: Dim3,
        args: Sequence[Argument],
        stream: Stream,
        shared_bytes: int = 0,
    ) -> None:
        """Start a kernel in the stream.

        Args:
            grid: blocks; block: threads of each.
            args: one ctypes value for each parameter, of the parameter's size; copied before this returns.
            shared_bytes: of dynamic shared memory.
        """
        ...

    def begin_capture(self, stream: Stream) -> None:
        """Record what is put into the stream from now on instead of running it (thread-local mode)."""
        ...

    def end_capture(self, stream: Stream) -> Graph:
        """Stop recording; what was recorded, ready to launch. Ends the capture also where it raises."""
        ...

    def close(self) -> None:
        """Free everything that is alive, newest first, and let go of the context; legal twice, in any thread.

        Where the device was lost the driver's complaints about that are not repeated.

        Raises:
            BackendError: something could not be freed; the rest was.
        """
        ...
