"""Read the JSON of a data set, and say exactly what is wrong with one that cannot be used."""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path
from typing import TypeVar

import msgspec

from pipeline.datasets.file_bytes import file_bytes
from pipeline.errors import DataError

T = TypeVar("T")


def read_json(path: Path, kind: type[T], layout: str, lax: bool = False) -> T:
    """A JSON file as a msgspec type.

    Parts that are typed msgspec.Raw stay as they are in the file, and keep its bytes in memory.

    Args:
        path: UTF-8, with a byte order mark or without.
        kind: what it holds.
        layout: what its hint calls it, such as `COCO's instances`.
        lax: 3.0 is the number 3, as to Python's own JSON and pycocotools, and "3" where a number is wanted.

    Raises:
        DataError: missing, no JSON, cut off, or something else inside than `kind`.
    """
    return parsed(file_bytes(path).removeprefix(BOM_UTF8), kind, str(path), layout, lax)


def parsed(data: bytes | msgspec.Raw, kind: type[T], where: str, layout: str, lax: bool = False) -> T:
    """A piece of JSON as a msgspec type; `where` names it in errors. `lax` and DataError as read_json."""
    try:
        return msgspec.json.decode(data, type=kind, strict=not lax)
    except msgspec.ValidationError as error:
        raise DataError(f"{where}: {str(error).lower()}", hint=f"it should be {layout}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{where} is broken JSON: {error}", hint=f"fetch it again; it should be {layout}") from error


def is_there(path: Path) -> bool:
    """Whether a file of a name that a data set says is there; a name that no file can have is not."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
