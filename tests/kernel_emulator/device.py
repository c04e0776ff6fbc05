"""A device of host memory that runs kernels at once: the part of engines.device.base.Device that kernels need."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

GUARD = 256  # bytes before and behind every buffer
MARK = 0xA5


class HostBuffer:
    """Memory between two guards; holds rubbish at first."""

    def __init__(self, nbytes: int) -> None:
        assert nbytes > 0
        self._memory = np.full(nbytes + 3 * GUARD, MARK, np.uint8)
        self._start = GUARD + -(self._memory.ctypes.data + GUARD) % GUARD
        self.nbytes = nbytes
        self.ptr = self._memory.ctypes.data + self._start
        self.bytes[:] = 0xCD

    @property
    def bytes(self) -> NDArray[np.uint8]:
        return self._memory[self._start : self._start + self.nbytes]

    def check(self) -> None:
        """Nothing was written beside it."""
        assert (self._memory[: self._start] == MARK).all()
        assert (self._memory[self._start + self.nbytes :] == MARK).all()

    def free(self) -> None:
        self.check()


@dataclass(frozen=True)
class HostFunction:
    name: str
    run: Any


class HostModule:
    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def function(self, name: str) -> HostFunction:
        return HostFunction(name, self._library[name])

    def free(self) -> None: ...


class HostStream:
    handle = 0

    def synchronize(self) -> None: ...

    def free(self) -> None: ...


class HostDevice:
    """Runs what is launched before launch returns."""

    api, ordinal, name, driver, graphs = "host", 0, "emulator", "0", False
    compute_capability = (9, 0)
    memory_total = 1 << 32

    def __init__(self, library: Path, seed: int) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.emulator_error.restype = ctypes.c_char_p
        self._library.emulator_seed(seed)
        self._buffers: list[HostBuffer] = []

    def current(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stream(self) -> HostStream:
        return HostStream()

    def alloc(self, nbytes: int) -> HostBuffer:
        self._buffers.append(HostBuffer(nbytes))
        return self._buffers[-1]

    def put(self, array: NDArray[Any]) -> HostBuffer:
        """A buffer with an array in it."""
        buffer = self.alloc(max(array.nbytes, 1))
        self.upload(buffer, np.ascontiguousarray(array), self.stream())
        return buffer

    def get(self, buffer: HostBuffer, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """What a buffer begins with."""
        out = np.empty(shape, dtype)
        self.download(out, buffer, self.stream())
        return out

    def pinned(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self.alloc(nbytes).bytes.view(dtype).reshape(tuple(shape))

    def unpin(self, array: NDArray[Any]) -> None: ...

    def upload(self, buffer: HostBuffer, array: NDArray[Any], stream: HostStream, offset: int = 0) -> None:
        assert array.flags.c_contiguous
        buffer.bytes[offset : offset + array.nbytes] = array.reshape(-1).view(np.uint8)

    def download(self, array: NDArray[Any], buffer: HostBuffer, stream: HostStream, offset: int = 0) -> None:
        assert array.flags.c_contiguous
        array.reshape(-1).view(np.uint8)[:] = buffer.bytes[offset : offset + array.nbytes]

    def fill(self, buffer: HostBuffer, byte: int, nbytes: int, stream: HostStream, offset: int = 0) -> None:
        buffer.bytes[offset : offset + nbytes] = byte

    def module(self, cubin: bytes) -> HostModule:
        return HostModule(self._library)

    def launch(
        self,
        function: HostFunction,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        args: Sequence[Any],
        stream: HostStream,
        shared_bytes: int = 0,
    ) -> None:
        pointers = (ctypes.c_void_p * len(args))(*[ctypes.addressof(value) for value in args])
        function.run(pointers, (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block))
        if error := self._library.emulator_error():
            raise RuntimeError(error.decode())

    def close(self) -> None:
        """Every guard is whole."""
        for buffer in self._buffers:
            buffer.check()
