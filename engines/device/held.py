"""What a piece of work holds of a device: freed together, also where planning it stops half way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from numpy.typing import DTypeLike, NDArray

from engines.device.base import Device, DeviceBuffer
from engines.device.ledger import free_each


class _Freeable(Protocol):
    def free(self) -> None: ...


Thing = TypeVar("Thing", bound=_Freeable)


class Held:
    """Things of one device, each freed once, newest first."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._frees: list[Callable[[], None]] = []

    def own(self, thing: Thing) -> Thing:
        """Take over something that can be freed; legal twice for it."""
        self._frees.append(thing.free)
        return thing

    def then(self, free: Callable[[], None]) -> None:
        """Call this as well when all is freed."""
        self._frees.append(free)

    def alloc(self, nbytes: int) -> DeviceBuffer:
        """Memory on the GPU, of 1 byte at least."""
        return self.own(self._device.alloc(max(1, nbytes)))

    def pinned(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Memory of the host that the GPU copies from and to by itself; no view of it may be used after `free`."""
        array = self._device.pinned(shape, dtype)
        self._frees.append(lambda: self._device.unpin(array))
        return array

    def tensor(self, shape: Sequence[int], dtype: DTypeLike) -> tuple[NDArray[Any], DeviceBuffer]:
        """Pinned memory for (shape) dtype, and as many bytes on the device."""
        array = self.pinned(shape, dtype)
        return array, self.alloc(array.nbytes)

    @contextmanager
    def planning(self) -> Iterator[None]:
        """Free everything where what is done in it fails."""
        try:
            yield
        except BaseException:
            self.free()
            raise

    def free(self) -> None:
        """Give everything back; legal twice. Work that uses it must be done."""
        frees, self._frees = self._frees, []
        free_each(reversed(frees))
