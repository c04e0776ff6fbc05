"""Lists of names, a line each: which images make a split, what the classes are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.datasets.listing import files
from pipeline.errors import DataError


def read_names(folder: Path, split: str) -> list[str]:
    """The first word of each line of `{folder}/{split}.txt`.

    Raises:
        DataError: no such list, an empty one, or a name twice.
    """
    path = folder / f"{split}.txt"
    there = list(files(folder, (".txt",))) if folder.is_dir() else []
    hint = f"lists that are there: {', '.join(there[:12])}" if there else f"{folder} has no lists"
    names = [line.split()[0] for line in read_lines(path, f"so nothing says what is in {split!r}", hint)]
    if not names:
        raise DataError(f"{path} is empty: the split has no images", hint="fetch it again")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: {twice} is there twice", hint="name each image once")
    return names


def read_lines(path: Path, so: str, hint: str) -> list[str]:
    """The lines of a text that are not empty, without the spaces around them.

    Args:
        path: UTF-8, written on any system: with either end of a line, with a byte order mark or without.
        so, hint: what DataError says where it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read, {so}: {_reason(error)}", hint=hint) from error
    return [line.strip() for line in lines if line.strip()]


def own_names(names: Sequence[str], where: str) -> tuple[str, ...]:
    """The names of classes; DataError, beginning with `where`, where there is none, or one twice: they tell apart."""
    if not names:
        raise DataError(f"{where}: there are no names of classes", hint="give a name for each")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{where}: the class {twice[0]!r} is there twice", hint="each class needs a name of its own")
    return tuple(names)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return "it is no text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror).lower()
