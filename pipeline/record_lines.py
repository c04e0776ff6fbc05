"""The records of a file in order, each with its bytes, so that what is the same need not be decoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from pipeline.errors import DataError
from pipeline.records import Record, is_gap, read_record


class _Head(msgspec.Struct):
    index: int
    pts_s: float | None = None
    instances: msgspec.Raw = msgspec.Raw()
    labels: msgspec.Raw = msgspec.Raw()


class Line(NamedTuple):
    """A record whose masks are not decoded yet."""

    frame: int
    instances: bytes  # as they are written; empty: there are none
    labels: bytes
    text: bytes
    where: str  # how an error names it
    pts_s: float | None = None  # presentation time, where the record says it

    def record(self) -> Record:
        """All of it.

        Raises:
            UserError: it is broken; names the file and the line.
        """
        return read_record(self.text, where=self.where)


def read_lines(path: Path) -> Iterator[Line]:
    """The records of a file; at least one.

    Raises:
        DataError: the file cannot be read, holds no record, or a line is none or does not follow on the one before.
    """
    decoder, last = msgspec.json.Decoder(_Head), -1
    try:
        with path.open("rb") as lines:
            for number, text in enumerate(lines, 1):
                if not text.strip() or is_gap(text):
                    continue
                where = f"{path}, line {number}"
                try:
                    head = decoder.decode(text)
                except (msgspec.DecodeError, RecursionError) as error:
                    hint = "each line holds one frame as `dashmask run --json` writes it"
                    raise DataError(f"{where}: {error}", hint=hint) from error
                if head.index <= last:
                    raise DataError(f"{where}: frame {head.index} comes after frame {last}", hint="sort the file")
                last = head.index
                yield Line(head.index, bytes(head.instances), bytes(head.labels), text, where, head.pts_s)
        if last < 0:
            raise DataError(f"{path} holds no record", hint="give what `dashmask run --json` wrote")
    except OSError as error:
        raise DataError(f"{path}: the records cannot be read: {error.strerror}") from error
