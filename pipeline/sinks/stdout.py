"""Names that mean the standard output."""

from __future__ import annotations

import os
from pathlib import Path

STDOUT = Path("-")  # as the name of records
_MOST_LINKS = 40  # as Linux follows


def is_stdout(name: str | os.PathLike[str]) -> bool:
    """Whether this is - or the process' own descriptor 1: /dev/stdout, /dev/fd/1, and links to them.

    What the descriptor is open to has another name, and is another output: a file that the shell made is replaced
    where it is named, and written on where it is the standard output.
    """
    own = os.path.join(os.path.realpath("/proc/self/fd"), "1")
    at = os.fspath(name)
    if at == str(STDOUT):
        return True
    for _ in range(_MOST_LINKS):
        at = os.path.join(os.path.realpath(os.path.dirname(at)), os.path.basename(at))
        if at == own:
            return True
        if not os.path.islink(at):
            break
        at = os.path.join(os.path.dirname(at), os.readlink(at))
    return False


def any_is_stdout(*names: str | None) -> bool:
    """Whether any of several outputs, where they are wanted, goes to the standard output."""
    return any(name is not None and is_stdout(name) for name in names)


def records_path(name: str) -> Path:
    """Where records go: STDOUT where that is meant. `./-` is a file, as everywhere, though Path takes it for -."""
    if is_stdout(name):
        return STDOUT
    path = Path(name)
    return path.absolute() if path == STDOUT else path
