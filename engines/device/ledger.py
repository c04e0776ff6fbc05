"""What is alive on a device: each thing is freed once, at the latest when the device is closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engines.device.errors import DeviceLostError
from pipeline.errors import BackendError


class Owned:
    """Something that a device made."""

    __slots__ = ("_ledger", "_release")

    def __init__(self, ledger: Ledger, release: Callable[[], None]) -> None:
        """Enter the ledger; `release` gives the thing back to the driver."""
        self._ledger, self._release = ledger, release
        ledger.live[self] = None

    def free(self) -> None:
        """Give it back now; legal twice.

        Raises:
            BackendError: the driver refuses; it is not tried again.
        """
        if self in self._ledger.live:
            del self._ledger.live[self]
            self._release()


class Ledger:
    """The living, oldest first."""

    def __init__(self) -> None:
        self.live: dict[Owned, None] = {}

    def free_all(self) -> None:
        """Free everything, newest first; see free_each."""
        free_each(thing.free for thing in list(reversed(self.live)))


def free_each(frees: Iterable[Callable[[], object]]) -> None:
    """Call every one, whatever the driver says of the others.

    A device that was lost complains about everything, which says nothing new and is no error.

    Raises:
        BackendError: the first thing that it complained about otherwise.
    """
    first: BackendError | None = None
    for free in frees:
        try:
            free()
        except DeviceLostError:
            continue
        except BackendError as error:
            first = first or error
    if first is not None:
        raise first
