"""Lists of names: which images make a split."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import DataError


def read_names(folder: Path, split: str) -> list[str]:
    """The first word of each line of `{folder}/{split}.txt`.

    Raises:
        DataError: no such list, an empty one, or a name twice.
    """
    path = folder / f"{split}.txt"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        there = sorted(other.stem for other in folder.glob("*.txt")) if folder.is_dir() else []
        hint = f"lists that are there: {', '.join(there[:12])}" if there else f"{folder} has no lists"
        raise DataError(f"{path} cannot be read, so nothing says what is in {split!r}", hint=hint) from None
    names = [words[0] for words in map(str.split, lines) if words]
    if not names:
        raise DataError(f"{path} is empty: the split has no images", hint="fetch it again")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: {twice} is there twice", hint="name each image once")
    return names
