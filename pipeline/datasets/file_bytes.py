"""The bytes of a file of a data set."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import DataError

_POINTER = b"version https://git-lfs.github.com/spec/"


def file_bytes(path: Path) -> bytes:
    """All of a file; DataError where it is missing, empty, or stands for one that was not brought."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", hint="check the data set's folder") from error
    if not data:
        raise DataError(f"{path} is empty", hint="fetch it again")
    if data.startswith(_POINTER):
        raise DataError(f"{path} is a pointer of Git LFS, not the file", hint="run `git lfs pull` in its clone")
    return data
