"""Records as JSON Lines: one line a frame, and one for each time in which the source was away."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.records import encode_gap, encode_record
from pipeline.sinks.line_file import LineFile
from pipeline.sinks.outputs import PartFile, unwritable
from pipeline.sinks.stdout import STDOUT
from pipeline.types import Picture


class JsonlSink:
    """Writes OUT.jsonl, a line at a time, so that even a killed run leaves whole lines.

    Args:
        path: of the file; written under a temporary name until it is whole. STDOUT: the standard output.
        timing: whether measured times are put in; without them two runs give the same bytes.

    Raises:
        SinkError: the file cannot be opened.
    """

    def __init__(self, path: Path, timing: bool = True) -> None:
        self.notes: list[str] = []
        self._timing = timing
        self._name = path
        self._part = None if path == STDOUT else PartFile(path)
        self.notes += self._part.notes if self._part else []
        try:
            if self._part is None:
                self._file = LineFile(os.dup(1), cut=False)
            else:
                self._file = LineFile(self._part.path, cut=not self._part.special)
        except OSError as error:
            raise unwritable(path, error) from error

    def write(self, picture: Picture) -> None:
        """Write one line.

        Raises:
            SinkError: the disk is full or gone; the lines before are kept.
            BrokenPipeError: nobody reads the standard output any longer.
        """
        gaps = b"".join(map(encode_gap, picture.scene.gaps))
        try:
            self._file.write(gaps + encode_record(picture.scene, self._timing))
        except OSError as error:
            if self._part is None and isinstance(error, BrokenPipeError):
                raise
            kept = None if self._part is None or self._part.special else self._part.partial
            raise unwritable(self._name, error, kept) from error

    def close(self, whole: bool) -> None:
        """Give the file its name; after an error it is kept as <stem>.partial.jsonl."""
        self._file.close()
        if self._part is None:
            return
        name = self._part.publish(whole)
        if not whole and not self._part.special:
            self.notes.append(f"{self._part.name} is not whole: the records so far are in {name}")
