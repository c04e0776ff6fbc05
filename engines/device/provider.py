"""What both ways to the driver share: the context of a thread, checks before a copy, what is pinned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import DTypeLike, NDArray

from engines.device.base import DeviceBuffer, Stream
from engines.device.ledger import Ledger, Owned, free_each
from engines.device.memory import bytes_of, check_room
from pipeline.errors import BackendError


class ProviderDevice(ABC):
    """See base.Device; a file for each package fills in the calls."""

    def __init__(self, api: str, ordinal: int) -> None:
        self.api, self.ordinal = api, ordinal
        self._ledger = Ledger()
        self._pinned: dict[int, Owned] = {}  # by address
        self._context: Any = None  # None: not yet, or no longer

    def _introduce(self, count: int, driver_version: int) -> None:
        """Check the number of the GPU among so many, and note the driver's version as people write it."""
        if not 0 <= self.ordinal < count:
            raise BackendError(f"there is no GPU {self.ordinal}: the driver has {count}")
        self.driver = f"{driver_version // 1000}.{driver_version % 1000 // 10}"

    @contextmanager
    def current(self) -> Iterator[None]:
        """Push the primary context, pop it at the end."""
        if self._context is None:
            raise RuntimeError("the device was closed")
        self._push()
        try:
            yield
        except BaseException:
            self._pop_whatever_it_says()  # what went wrong inside is told, not what follows from it
            raise
        self._pop()

    def pinned(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Page-locked host memory, zeros."""
        array, memory = self._pin(tuple(shape), dtype)
        self._pinned[array.ctypes.data] = memory
        array.fill(0)
        return array

    def unpin(self, array: NDArray[Any]) -> None:
        """Free pinned memory."""
        if memory := self._pinned.pop(array.ctypes.data, None):
            memory.free()

    def upload(self, buffer: DeviceBuffer, array: NDArray[Any], stream: Stream, offset: int = 0) -> None:
        """Host to device."""
        check_room(buffer, offset, bytes_of(array))
        self._to_device(buffer.ptr + offset, array, stream)

    def download(self, array: NDArray[Any], buffer: DeviceBuffer, stream: Stream, offset: int = 0) -> None:
        """Device to host."""
        check_room(buffer, offset, bytes_of(array))
        self._to_host(array, buffer.ptr + offset, stream)

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
        self._on_device(target.ptr + target_offset, source.ptr + source_offset, nbytes, stream)

    def fill(self, buffer: DeviceBuffer, byte: int, nbytes: int, stream: Stream, offset: int = 0) -> None:
        """Set bytes on the device."""
        check_room(buffer, offset, nbytes)
        self._set(buffer.ptr + offset, byte, nbytes, stream)

    def _free_behind(self, streams: Sequence[Stream]) -> None:
        """Free everything, and nothing under work that is still going on in our streams.

        Not all of the GPU is waited for: that would break what another device of this process records.
        """
        free_each((*(stream.synchronize for stream in streams), self._ledger.free_all))

    @abstractmethod
    def _push(self) -> None: ...

    @abstractmethod
    def _pop(self) -> None: ...

    @abstractmethod
    def _pop_whatever_it_says(self) -> None: ...

    @abstractmethod
    def _pin(self, shape: tuple[int, ...], dtype: DTypeLike) -> tuple[NDArray[Any], Owned]:
        """An array in page-locked memory, and what frees it."""

    @abstractmethod
    def _to_device(self, to: int, array: NDArray[Any], stream: Stream) -> None: ...

    @abstractmethod
    def _to_host(self, array: NDArray[Any], start: int, stream: Stream) -> None: ...

    @abstractmethod
    def _on_device(self, to: int, start: int, nbytes: int, stream: Stream) -> None: ...

    @abstractmethod
    def _set(self, to: int, byte: int, nbytes: int, stream: Stream) -> None: ...
