"""What came of a file so far: on the disk, of one process alone, with what says that the rest belongs to it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from pipeline.errors import DataError


class Part:
    """`{name}.part`, and `{name}.part.mark` where the server marks its files.

    Attributes:
        path: of the bytes.
        mark: ETag or date of the server's file that they are of; None: not known.
    """

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path = path
        self._file = file  # unbuffered: what came is on the disk, whatever happens next
        self._marked = path.with_name(f"{path.name}.mark")
        known = self._marked.is_file() and self.size
        self.mark = self._marked.read_text(encoding="latin-1").strip() or None if known else None

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return os.fstat(self._file.fileno()).st_size

    def begin(self, mark: str | None) -> None:
        """Forget what came, for a file with that mark."""
        with _disk(self.path):
            self._file.truncate(0)
            self._marked.unlink(missing_ok=True)
            if mark is not None:
                self._marked.write_text(mark, encoding="latin-1")  # as headers are
        self.mark = mark

    def put(self, block: bytes, at: int) -> bool:
        """Append what of a block is new, which begins at byte `at`; False where the rest is not what is there."""
        known = max(self.size - at, 0)
        with _disk(self.path):
            if known and os.pread(self._file.fileno(), min(known, len(block)), at) != block[:known]:
                return False
            rest = memoryview(block)[known:]
            while rest:
                rest = rest[self._file.write(rest) :]
        return True

    def become(self, path: Path) -> None:
        """Give it its name."""
        with _disk(path):
            self.path.replace(path)
            self._marked.unlink(missing_ok=True)


@contextmanager
def opened_part(path: Path) -> Iterator[Part]:
    """The part of a file, of which nothing is left where nothing came.

    Raises:
        DataError: another process has it; it cannot be written.
    """
    place = path.with_name(f"{path.name}.part")
    with _disk(place):
        file = open(place, "a+b", buffering=0)  # noqa: SIM115 - closed below, in every case
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = place.exists() and os.path.samestat(os.fstat(file.fileno()), place.stat())
        except BlockingIOError:
            alone = False
        except OSError:  # a file system without locks
            alone = True
        if not alone:
            raise DataError(f"{path} is being fetched by another process", hint="wait for it, or give another --root")
        part = Part(place, file)
        try:
            yield part
        finally:
            if not part.size and place.exists():
                part.begin(None)
                place.unlink()


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}", hint="what came is kept") from error
