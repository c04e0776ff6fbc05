"""Manifests: the clips of a data set as lines of text or rows of Parquet, a hundred thousand and more, streamed.

A line of text is a location, or a location, a tab and a name; empty lines and those that begin with # are passed
over. A Parquet manifest has a column `location` and, where clips are named, `name`. Relative locations count from the
manifest's own folder.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pipeline.errors import DataError
from pipeline.replay.naming import Clip, checked_name
from pipeline.replay.remote import is_remote, opened

TEXT, PARQUET = (".txt", ".lst", ".tsv"), ".parquet"
_ROWS = 4096  # of a Parquet manifest, at once
_LONGEST = 1 << 16  # bytes of a line


def is_manifest(location: str) -> bool:
    """Whether a name is that of a manifest."""
    return location.lower().endswith((*TEXT, PARQUET))


def read_manifest(location: str) -> Iterator[Clip]:
    """The clips, in the manifest's order.

    Args:
        location: a path, or an address that fsspec opens.

    Raises:
        DataError: it cannot be read, or a line or row is none; names it.
    """
    try:
        with _here(location) as file:
            yield from _parquet(file, location) if location.lower().endswith(PARQUET) else _text(file, location)
    except OSError as error:
        raise DataError(f"{location}: the manifest cannot be read: {error.strerror or error}") from error


@contextmanager
def _here(location: str) -> Iterator[IO[bytes]]:
    """The manifest to be read at any place; one that lies elsewhere is copied first, as not every server can seek."""
    if not is_remote(location):
        with Path(location).open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as copy:
        with opened(location) as file:
            shutil.copyfileobj(file, copy, 1 << 20)
        copy.seek(0)
        yield copy


def _text(file: IO[bytes], manifest: str) -> Iterator[Clip]:
    number = 0
    while line := file.readline(_LONGEST):
        number += 1
        where = f"{manifest} line {number}"
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
        except UnicodeDecodeError:
            raise DataError(
                f"{where}: not text in UTF-8", hint="one clip a line: its path, or path, tab, name"
            ) from None
        if not text.strip() or text.startswith("#"):
            continue
        columns = text.split("\t")
        if len(line) == _LONGEST or len(columns) > 2 or not all(column.strip() for column in columns) or "\0" in text:
            raise DataError(
                f"{where}: expected a location, or a location, a tab and a name; it has {len(columns)} columns",
                hint="one clip a line",
            )
        yield _clip(columns[0].strip(), columns[1].strip() if len(columns) == 2 else None, manifest, where)


def _parquet(file: Any, manifest: str) -> Iterator[Clip]:
    from pipeline.replay.schema import arrow

    pa, pq = arrow()
    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowInvalid, pa.ArrowException) as error:
        raise DataError(f"{manifest}: no Parquet file: {error}") from None
    names = table.schema_arrow.names
    if "location" not in names:
        raise DataError(
            f"{manifest}: it has no column `location`, only {', '.join(names)}", hint="name the column of paths so"
        )
    columns = ["location", *(["name"] if "name" in names else [])]
    number = 0
    for batch in table.iter_batches(_ROWS, columns=columns):
        for row in batch.to_pylist():
            number += 1
            where = f"{manifest} row {number}"
            location, name = row["location"], row.get("name")
            if not isinstance(location, str) or not location.strip() or not isinstance(name, str | None):
                raise DataError(f"{where}: {location!r} is no location", hint="expected a path or an address as text")
            yield _clip(location, name, manifest, where)


def _clip(location: str, name: str | None, manifest: str, where: str) -> Clip:
    own = name if name is not None else location.split("?")[0].rstrip("/").rpartition("/")[2]
    if not is_remote(location) and not posixpath.isabs(location):
        location = posixpath.join(posixpath.dirname(manifest), location)
        location = location if is_remote(location) else os.path.abspath(location)
    return Clip(checked_name(own, where), location)
