"""Rows as a Parquet file whose bytes depend on the rows alone, however they came."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.replay.rows import Row, rows_of
from pipeline.replay.schema import arrow, schema
from pipeline.sinks.outputs import unwritable
from pipeline.types import Picture

GROUP_ROWS = 8192  # in every row group but the last


class ClipWriter:
    """Writes the rows of one clip, in row groups of GROUP_ROWS.

    The same rows give the same bytes with one version of pyarrow, whether they come one by one or as tables.

    Args:
        path: of the file; it appears under this name at once, so give a temporary one.
        clip: name of the clip.
        provenance: see schema.schema.

    Raises:
        SinkError: it cannot be written.
    """

    def __init__(self, path: Path, clip: str, provenance: Mapping[str, Any]) -> None:
        self.rows = 0
        self._path, self._clip = path, clip
        self._pa, parquet = arrow()
        self._schema = schema({**provenance, "clip": clip})
        self._waiting: list[Row] = []
        self._tables: list[Any] = []
        try:
            self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        except OSError as error:
            raise unwritable(path, error) from error

    def add(self, rows: Iterable[Row]) -> None:
        """Rows without the clip."""
        self._waiting += rows
        if len(self._waiting) >= GROUP_ROWS:
            self._gather()
            self._flush(False)

    def add_table(self, table: Any) -> None:
        """Rows as an Arrow table with the columns of the schema."""
        self._gather()
        self._tables.append(table.cast(self._schema))
        self._flush(False)

    def close(self) -> None:
        """Write what is left; the file is whole then."""
        self._gather()
        self._flush(True)
        self._write(self._writer.close)

    def abandon(self) -> None:
        """Stop, and leave no file."""
        self._writer.close()
        self._path.unlink(missing_ok=True)

    def _gather(self) -> None:
        if self._waiting:
            columns = [[self._clip] * len(self._waiting), *zip(*self._waiting, strict=True)]
            arrays = [self._pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
            self._tables.append(self._pa.Table.from_arrays(arrays, schema=self._schema))
            self._waiting = []

    def _flush(self, last: bool) -> None:
        """Write whole groups; the last may be short. Each is laid out anew: pages end where arrays do."""
        count = sum(table.num_rows for table in self._tables)
        if count < GROUP_ROWS and not (last and count):
            return
        whole = self._pa.concat_tables(self._tables)
        at = 0
        while count - at >= GROUP_ROWS or (last and at < count):
            group = whole.slice(at, GROUP_ROWS).combine_chunks()
            self._write(lambda group=group: self._writer.write_table(group, row_group_size=GROUP_ROWS))
            at += group.num_rows
            self.rows += group.num_rows
        self._tables = [whole.slice(at).combine_chunks()] if at < count else []

    def _write(self, work: Any) -> None:
        try:
            work()
        except OSError as error:
            raise unwritable(self._path, error) from error


class RowSink:
    """The rows of a run: a Sink, see pipeline.types."""

    def __init__(self, path: Path, clip: str, provenance: Mapping[str, Any]) -> None:
        self.notes: Sequence[str] = ()
        self._writer = ClipWriter(path, clip, provenance)
        self._closed = False

    @property
    def rows(self) -> int:
        """How many were written; all of them once it is closed."""
        return self._writer.rows

    def write(self, picture: Picture) -> None:
        """Take one frame."""
        self._writer.add(rows_of(picture.scene))

    def close(self, whole: bool) -> None:
        """Finish the file; after an error there is none. Only the first call counts."""
        if not self._closed:
            self._closed = True
            if whole:
                self._writer.close()
            else:
                self._writer.abandon()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
