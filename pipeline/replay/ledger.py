"""What is done: a small SQLite file in the data set's folder, written by the driver alone.

A change is on the disk before the driver goes on, so that a driver which is killed knows, when it is called again,
what was whole. Memory does not grow with the clips.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, SinkError
from pipeline.replay.naming import Clip
from pipeline.replay.remote import shown
from pipeline.replay.tasks import Done, Task
from pipeline.sources.segment import Span

FILE = "manifest.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS clips (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, location TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',  -- waiting, split, done, failed
    whole TEXT NOT NULL DEFAULT '',         -- why it is not split, where that was found out
    reason TEXT NOT NULL DEFAULT '', tries INTEGER NOT NULL DEFAULT 0,
    frames INTEGER NOT NULL DEFAULT 0, rows INTEGER NOT NULL DEFAULT 0, segments INTEGER NOT NULL DEFAULT 0,
    sha256 TEXT NOT NULL DEFAULT '', busy_s REAL NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS by_state ON clips (state, id);
CREATE TABLE IF NOT EXISTS segments (
    clip INTEGER NOT NULL, number INTEGER NOT NULL, begin_pts INTEGER NOT NULL, end_pts INTEGER,
    first INTEGER NOT NULL, frames INTEGER NOT NULL, digest TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (clip, number));
"""
_AT_ONCE = 64  # waiting clips that are asked for together


def _opened(path: Path) -> sqlite3.Connection:
    """The database with its tables, for this process alone; closed again where that cannot be."""
    base = sqlite3.connect(path, timeout=2, isolation_level=None)
    try:
        base.execute("PRAGMA locking_mode=EXCLUSIVE")
        base.execute("BEGIN EXCLUSIVE")
        for statement in _SCHEMA.split(";"):
            base.execute(statement)
        base.execute("COMMIT")
    except BaseException:
        base.close()
        raise
    return base


class Ledger:
    """The manifest of clips and segments.

    Args:
        path: of the file; made where it is missing.

    Raises:
        SinkError: it cannot be opened, is damaged, or another replay writes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._base = _opened(path)
            self._file = path.stat()
        except sqlite3.OperationalError as error:
            raise SinkError(f"{path} cannot be used: {error}", hint="is another replay writing there?") from None
        except sqlite3.DatabaseError as error:
            raise SinkError(f"{path} is damaged: {error}", hint="write into a new folder") from None

    def check(self) -> None:
        """SinkError where the file is no longer under its name: what is written is nowhere to be found then."""
        with contextlib.suppress(OSError):
            if os.path.samestat(self._file, self._path.stat()):
                return
        raise SinkError(f"{self._path} is gone: was its folder moved or removed, or did its drive go away?")

    def close(self) -> None:
        """Let others have it."""
        self._base.close()

    def add(self, clips: Iterable[Clip]) -> int:
        """Note clips that are to be done, all of them or, after an error, none; how many are new.

        Raises:
            DataError: two clips of one name, or one whose name is no text.
        """
        count = 0
        self._base.execute("BEGIN")
        try:
            for clip in clips:
                count += self._add(clip)
            self._base.execute("COMMIT")
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        return count

    def _add(self, clip: Clip) -> int:
        try:
            self._base.execute("INSERT INTO clips (name, location) VALUES (?, ?)", (clip.name, clip.location))
            return 1
        except UnicodeEncodeError:
            raise DataError(f"{clip.location!r} is no text in UTF-8, which rows can hold", hint="rename it") from None
        except sqlite3.IntegrityError:
            (other,) = self._row("SELECT location FROM clips WHERE name = ?", clip.name)
            if other == clip.location:
                return 0
            raise DataError(
                f"two clips are called {clip.name}: {shown(other)} and {shown(clip.location)}",
                hint="give the folder above both, or a manifest that names them (path, tab, name)",
            ) from None

    def waiting(self, after: int) -> list[tuple[int, Clip, str]]:
        """The next clips that nothing is known of, by number: number, clip, why it is not split."""
        found = self._base.execute(
            "SELECT id, name, location, whole FROM clips WHERE state = 'waiting' AND id > ? ORDER BY id LIMIT ?",
            (after, _AT_ONCE),
        )
        return [(number, Clip(name, location), whole) for number, name, location, whole in found]

    def split_clips(self) -> Iterator[tuple[int, Clip]]:
        """Clips whose segments are not joined yet."""
        found = self._base.execute(
            "SELECT id, name, location FROM clips WHERE state = 'split' ORDER BY id"
        ).fetchall()
        return ((number, Clip(name, location)) for number, name, location in found)

    def split(self, clip_id: int, spans: Iterable[Span]) -> None:
        """A clip is cut into segments."""
        rows = [
            (clip_id, number, span.begin, span.end, span.first, span.frames, span.digest)
            for number, span in enumerate(spans)
        ]
        self._base.execute("BEGIN")
        self._base.executemany("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, 0)", rows)
        self._base.execute("UPDATE clips SET state = 'split', segments = ? WHERE id = ?", (len(rows), clip_id))
        self._base.execute("COMMIT")

    def segments(self, clip_id: int) -> list[tuple[int, Span, bool]]:
        """Of a clip: number, span, whether it is done."""
        found = self._base.execute(
            "SELECT number, begin_pts, end_pts, first, frames, digest, done FROM segments"
            " WHERE clip = ? ORDER BY number",
            (clip_id,),
        )
        return [(number, Span(*span), bool(done)) for number, *span, done in found]

    def segment(self, clip_id: int, number: int, done: bool) -> int:
        """A segment is done, or is not after all; how many of its clip are still missing."""
        self._base.execute("UPDATE segments SET done = ? WHERE clip = ? AND number = ?", (done, clip_id, number))
        (left,) = self._row("SELECT count(*) FROM segments WHERE clip = ? AND NOT done", clip_id)
        return int(left)

    def in_one_piece(self, clip_id: int, why: str) -> None:
        """A clip cannot be split after all."""
        self._base.execute("BEGIN")
        self._base.execute("DELETE FROM segments WHERE clip = ?", (clip_id,))
        self._base.execute("UPDATE clips SET state = 'waiting', whole = ?, segments = 0 WHERE id = ?", (why, clip_id))
        self._base.execute("COMMIT")

    def done(self, task: Task, done: Done) -> None:
        """A clip is whole."""
        self._base.execute("BEGIN")
        self._base.execute("DELETE FROM segments WHERE clip = ?", (task.id,))
        self._base.execute(
            "UPDATE clips SET state = 'done', reason = '', frames = ?, rows = ?, sha256 = ?, busy_s = ?,"
            " whole = CASE WHEN ? = '' THEN whole ELSE ? END WHERE id = ?",
            (done.frames, done.rows, done.sha256, done.busy_s, done.not_split, done.not_split, task.id),
        )
        self._base.execute("COMMIT")

    def failed(self, clip_id: int, reason: str, tries: int) -> None:
        """A clip is given up."""
        self._base.execute("BEGIN")
        self._base.execute("DELETE FROM segments WHERE clip = ?", (clip_id,))
        self._base.execute(
            "UPDATE clips SET state = 'failed', reason = ?, tries = ?, segments = 0 WHERE id = ?",
            (reason, tries, clip_id),
        )
        self._base.execute("COMMIT")

    def try_again(self, missing: Iterable[int] = ()) -> None:
        """Those that were given up, and those whose files are gone, are to be done."""
        self._base.execute("UPDATE clips SET state = 'waiting', reason = '', tries = 0 WHERE state = 'failed'")
        gone = "state = 'waiting', frames = 0, rows = 0, segments = 0, sha256 = '', busy_s = 0"
        self._base.executemany(f"UPDATE clips SET {gone} WHERE id = ?", ((one,) for one in missing))

    def state(self, clip_id: int) -> str:
        """Of a clip."""
        (state,) = self._row("SELECT state FROM clips WHERE id = ?", clip_id)
        return str(state)

    def rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """What a query finds, one row at a time."""
        return iter(self._base.execute(query, values))

    def _row(self, query: str, *values: Any) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._base.execute(query, values).fetchone()
        return row
