"""What a run says, as one JSON object a line on stderr, for whoever collects logs."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import UserError
from pipeline.flow import StallError

if TYPE_CHECKING:
    from pipeline.networks import Network
    from pipeline.run import Outcome
    from pipeline.running.source_run import SourceRun
    from pipeline.timing import Summary
    from pipeline.types import Source, SourceInfo

_FRAMES_EVERY_S = 10.0  # between two reports of frames
_LOGGER = "dashmask"


class JsonLines(logging.Formatter):
    """`{"time": .., "level": .., "event": .., ...}`; what a record carries as `told` beside it."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; times are UTC."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "told", {}),
        }
        if record.name != _LOGGER:
            line["logger"] = record.name
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class JsonLog:
    """Implements run.SourcesWatch. Everything that is logged in the process becomes such a line, warnings too.

    An error becomes a line, too, and ends the command without another word: exit code 2 where a user can mend it.
    """

    def __init__(self) -> None:
        self._next_s = 0.0
        self._dropped: dict[str, dict[str, int]] = {}  # of each source, by cause, as last told
        self._handler = logging.StreamHandler(sys.stderr)
        self._handler.setFormatter(JsonLines())
        self._logger = logging.getLogger(_LOGGER)
        self._logger.setLevel(logging.INFO)

    def __enter__(self) -> JsonLog:
        logging.getLogger().addHandler(self._handler)
        logging.captureWarnings(True)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            self._failed(error)
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(self._handler)
        if isinstance(error, Exception):
            raise SystemExit(2 if isinstance(error, UserError) else 1) from error

    def started(self, source: Source, nets: Sequence[Network]) -> None:
        """What runs, and why not on something better."""
        self._say("started", source=source.info.name, live=source.live)
        for net in nets:
            backend = net.selection.backend
            passed_over = {t.name: t.reason for t in net.selection.tried if not t.ok}
            self._say(
                "network", model=net.card.name, backend=backend.name, detail=backend.detail, not_used=passed_over
            )
        self.noted(tuple(dict.fromkeys(note for net in nets for note in net.selection.notes)))
        self._next_s = time.monotonic() + _FRAMES_EVERY_S

    def frame(self, summary: Summary, info: SourceInfo) -> None:
        """Every few seconds: how many, how fast."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _FRAMES_EVERY_S
            self._say("frames", processed=summary.processed, fps=round(summary.fps or 0.0, 2))

    def sources(self, runs: Sequence[SourceRun]) -> None:
        """Each change of a source's state; every few seconds how all stand, and what was lost where that grew."""
        for one in runs:
            for state in one.source.changes():
                level = logging.WARNING if state.reason else logging.INFO
                told = {"attempt": state.attempt, "reason": state.reason, "gaps": state.gaps}
                self._say("state", level, source=one.name, state=state.state, **told)
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _FRAMES_EVERY_S
        for one in runs:
            age_ms = None if one.age_s is None else round(one.age_s * 1e3, 1)
            fps = round(one.summary.fps or 0.0, 2)
            self._say("frames", source=one.name, processed=one.summary.processed, fps=fps, age_ms=age_ms)
            if (dropped := dict(one.ledger.drops)) != self._dropped.get(one.name, {}):
                self._dropped[one.name] = dropped
                self._say("dropped", logging.WARNING, source=one.name, by_cause=dropped)

    def noted(self, notes: Sequence[str]) -> None:
        """What a reader of the outputs should know."""
        for note in notes:
            self._say("note", text=note)

    def finish(self, outcome: Outcome) -> None:
        """The end, in figures."""
        report = outcome.report
        figures = {key: report[key] for key in ("frames", "fps", "fps_steady", "age_ms", "first_frame_s")}
        self._say("finished", interrupted=outcome.interrupted, **figures)

    def _failed(self, error: Exception) -> None:
        told = {"error": type(error).__name__, "text": str(error), "notes": list(getattr(error, "__notes__", ()))}
        ours = None if isinstance(error, UserError | StallError) else error  # a defect keeps its traceback
        self._logger.error("failed", extra={"told": told}, exc_info=ours)

    def _say(self, event: str, level: int = logging.INFO, /, **told: Any) -> None:
        self._logger.log(level, event, extra={"told": told})
