"""Recording that is started and stopped while a run goes on: a video, and its records beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.errors import SinkError, UserError
from pipeline.types import Picture, Sink

OpenSinks = Callable[[Path, Picture], Sequence[Sink]]  # from a path without ending and the first picture


class Recorder:
    """A sink that writes only while it is asked to; implements pipeline.types.Sink.

    `start` and `stop` are legal at any time and from any thread. Files are opened, written and closed by the
    thread that writes pictures: a recording begins with the next one. A disk that is full ends the recording,
    not the run.

    Args:
        folder: where to; made when the first recording begins. None: recording is not allowed.
        name: how the files' names begin.
        open_sinks: opens the outputs of one recording.
    """

    def __init__(self, folder: Path | None, name: str, open_sinks: OpenSinks) -> None:
        self.notes: list[str] = []
        self._folder, self._name, self._open_sinks = folder, name, open_sinks
        self._lock = threading.Lock()
        self._asked = False
        self._sinks: Sequence[Sink] = ()
        self._stem: Path | None = None
        self._began_s = 0.0
        self._frames = 0
        self._reason = ""

    @property
    def wanted(self) -> bool:
        """Whether pictures have to be drawn for it."""
        return self._asked

    def start(self) -> None:
        """Record from the next picture on; again is the same as once.

        Raises:
            SinkError: there is no folder for it.
        """
        if self._folder is None:
            raise SinkError(
                "recording is off: no folder is set for it", hint="start with --recordings DIR, or set web.recordings"
            )
        with self._lock:
            if not self._asked:
                self._asked, self._reason, self._frames, self._began_s = True, "", 0, time.monotonic()

    def stop(self) -> None:
        """Finish with the next picture, or with the run; again is the same as once."""
        with self._lock:
            self._asked = False

    def state(self) -> dict[str, Any]:
        """For the page: whether it may record, does so, into which file, since when, and why not any more."""
        with self._lock:
            stem = self._stem
            return {
                "allowed": self._folder is not None,
                "active": self._asked,
                "file": f"{stem.name}.mp4" if stem else None,
                "frames": self._frames,
                "since_s": round(time.monotonic() - self._began_s, 1) if self._asked else None,
                "reason": self._reason,
            }

    def write(self, picture: Picture) -> None:
        """Take one picture, where recording is on and it was drawn."""
        if not self._asked:
            if self._sinks:
                self._finish(True)
            return
        if picture.image is None:
            return
        try:
            if not self._sinks:
                self._begin(picture)
            for sink in self._sinks:
                sink.write(picture)
            self._frames += 1
        except UserError as error:
            self._give_up(error)

    def close(self, whole: bool) -> None:
        """Finish what is open."""
        self.stop()
        if self._sinks:
            self._finish(whole)

    def _begin(self, picture: Picture) -> None:
        assert self._folder is not None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"{self._folder} cannot be made: {error.strerror}") from error
        stem = f"{self._name}-{datetime.now():%Y%m%d-%H%M%S}"
        taken = {path.name.partition(".")[0] for path in self._folder.glob(f"{stem}*")}
        number, free = 1, stem
        while free in taken:
            number, free = number + 1, f"{stem}-{number}"
        self._stem = self._folder / free
        self._sinks = self._open_sinks(self._stem, picture)

    def _finish(self, whole: bool) -> None:
        sinks, self._sinks = self._sinks, ()
        for sink in sinks:
            try:
                sink.close(whole)
            except UserError as error:
                self._note(str(error))
            for note in getattr(sink, "notes", ()):
                self._note(note)

    def _give_up(self, error: UserError) -> None:
        self._note(f"recording ended: {error}")
        with self._lock:
            self._asked, self._reason = False, str(error)
        self._finish(False)

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)
