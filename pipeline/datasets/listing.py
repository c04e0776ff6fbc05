"""Which files lie in the folders of a data set, as archives and file managers leave them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import DataError

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"))
_DEEPEST = 3  # so many folders around a data set are looked through
_NOT_OURS = ("__MACOSX", "@eaDir")  # that macOS puts into archives, and a Synology beside pictures


def files(folder: Path, suffixes: Iterable[str], ending: str = "", *, deep: bool = False) -> dict[str, Path]:
    """The files of a folder by their path in it without `ending` and suffix, sorted; hidden ones left out.

    Args:
        folder: must exist.
        suffixes: that count, lower case.
        ending: what the name ends with before its suffix, such as `_leftImg8bit`; others are left out.
        deep: look into folders too, and where links to folders lead.

    Raises:
        DataError: the folder is not there or may not be read, two files have one name, or images are looked for and
            there are none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not there", hint=_what_is_there(folder))
    allowed = frozenset(suffixes)
    found: dict[str, Path] = {}
    for path in sorted(_below(folder) if deep else [Path(one.path) for one in _inside(folder)]):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if path.suffix.lower() not in allowed or not name.endswith(ending):
            continue
        name = name.removesuffix(ending)
        if name in found:
            raise DataError(f"{found[name]} and {path.name} have the same name", hint="keep one of them")
        found[name] = path
    if not found and allowed == IMAGE_SUFFIXES:
        raise DataError(f"{folder} has no images: the split is empty", hint=_what_is_inside(folder))
    return found


def folders(folder: Path) -> list[str]:
    """The names of the folders in one, sorted; hidden ones left out. DataError where it is not there."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not there", hint=_what_is_there(folder))
    return sorted(one.name for one in _inside(folder) if one.is_dir())


def around(root: Path, first: str, *archives: str) -> Path:
    """The folder that `first` lies in: root, one in it that is called as an official archive or what is in it, or the
    only folder in it, as programs with windows unpack. Root, where it is in none."""
    return _found_around(root, first, archives, _DEEPEST) or root


def _found_around(root: Path, first: str, archives: tuple[str, ...], deeper: int) -> Path | None:
    for place in (root, *(root / name for name in archives)):
        if (place / first).is_dir():
            return place
    inner = folders(root) if deeper and root.is_dir() else []
    return _found_around(root / inner[0], first, archives, deeper - 1) if len(inner) == 1 else None


def _below(folder: Path) -> Iterator[Path]:
    """Everything in a folder and those in it; a link that leads back to where it lies is not followed."""
    way = {(where := folder.stat()).st_dev: {where.st_ino}}

    def walk(place: Path) -> Iterator[Path]:
        for one in _inside(place):
            if not one.is_dir():
                yield Path(one.path)
                continue
            seen = way.setdefault((where := one.stat()).st_dev, set())
            if where.st_ino not in seen:
                seen.add(where.st_ino)
                yield from walk(Path(one.path))
                seen.remove(where.st_ino)

    yield from walk(folder)


def _inside(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as there:
            return [one for one in there if not one.name.startswith(".") and one.name not in _NOT_OURS]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}", hint="change its permissions") from error


def _what_is_there(folder: Path) -> str:
    parent = folder.parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    return _what_is_inside(parent) if parent.is_dir() else "check the data set's folder"


def _what_is_inside(folder: Path) -> str:
    inside = _inside(folder)
    names = sorted(one.name for one in inside if one.is_dir())
    packed = [one.name for one in inside if one.name.lower().endswith((".zip", ".tar", ".tgz", ".gz"))]
    said = f"{folder} has {f'the folders {_few(names)}' if names else 'no folders'}"
    return f"{said}, and archives that are not unpacked: {_few(sorted(packed))}" if packed else said


def _few(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
