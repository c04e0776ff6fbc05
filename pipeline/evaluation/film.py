"""Time in accuracy: a film is played at its own pace, then its results are scored as they came, when all are known.

An evaluation runs over every frame anyway. While its results pass by in order, each frame is scored a second time
against the result that was the newest when the frame was shown, and once more for everything that might have been.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from pipeline.config import Config
from pipeline.errors import ConfigError, SinkError
from pipeline.evaluation.following import Following, Way
from pipeline.evaluation.scoring import Scores
from pipeline.evaluation.service_times import ServiceTimes, timing_record
from pipeline.evaluation.streaming import Played, pairing_report, play
from pipeline.evaluation.what_if import Imagined, WhatIf, agreement, imagine
from pipeline.metrics.streaming import Moment
from pipeline.networks import Network
from pipeline.records import record_of
from pipeline.sinks.outputs import PartFile
from pipeline.types import Scene, Source

_LONG = ("confusion", "precision_recall")  # of a score's report; the evaluation's own has them


class Film:
    """What an evaluation adds for a film. Used once.

    Args:
        what_ifs: what else to imagine.
        record: where the times and results are written, JSON Lines, for a replay; None: nowhere.
    """

    def __init__(self, what_ifs: Sequence[WhatIf] = (), record: Path | None = None) -> None:
        self._what_ifs = tuple(what_ifs)
        self._recorder = None if record is None else _Recorder(record)
        self._played: Played | None = None
        self._same: Imagined | None = None
        self._imagined: list[tuple[Imagined, Scores]] = []
        self._following = Following(())

    def play(
        self, source: Source, config: Config, nets: Sequence[Network], open_scores: Callable[[], Scores]
    ) -> None:
        """Show the film to the networks; see pipeline.evaluation.streaming.play. Follow with `follow`."""
        played = self._played = play(source, config, nets)
        self._scores = open_scores()
        self._imagine(played.times, played.shown, open_scores, [Way(played.pairing, partial(_score, self._scores))])
        self._same = imagine(played.times, played.shown, WhatIf()) if played.finished else None
        if self._recorder is not None:
            self._recorder.times(played)

    def imagine(self, times: ServiceTimes, shown: Sequence[Moment], open_scores: Callable[[], Scores]) -> None:
        """Play nothing, and imagine it from recorded times. Follow with `follow`."""
        self._imagine(times, shown, open_scores, [])

    def _imagine(
        self, times: ServiceTimes, shown: Sequence[Moment], open_scores: Callable[[], Scores], ways: list[Way]
    ) -> None:
        self._imagined = [(imagine(times, shown, what_if), open_scores()) for what_if in self._what_ifs]
        ways += [Way(imagined.pairing, partial(_score, scores)) for imagined, scores in self._imagined]
        self._following = Following(ways)

    def follow(self, scene: Scene) -> None:
        """Take the next frame, with its truth and its own result."""
        self._following.add(scene)
        if self._recorder is not None:
            self._recorder.add(scene)

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *error: object) -> None:
        """Finish what is written; after an error nothing of it stays."""
        if self._recorder is not None:
            self._recorder.close(whole=error[0] is None)

    def report(self) -> dict[str, Any]:
        """For JSON: what was measured, and what was imagined."""
        report: dict[str, Any] = {}
        if self._played is not None:
            report["streaming"] = {**_short(self._scores.report()), **self._played.report()}
            if self._same is not None:
                report["streaming"]["simulation"] = agreement(self._played.finished, self._same)
        if self._imagined:
            report["what_if"] = [
                {**imagined.report(), **pairing_report(imagined.pairing), **_short(scores.report())}
                for imagined, scores in self._imagined
            ]
        return report


def _score(scores: Scores, scene: Scene) -> None:
    scores.add(scene.frame.truth, scene)


def _short(report: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _short(value) if isinstance(value, dict) else value for key, value in report.items() if key not in _LONG
    }


class _Recorder:
    """Writes a record a frame, with its times, under a temporary name until all are there."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, PartFile(path)
        self._played: Played | None = None
        self._finished: dict[int, float] = {}
        try:
            self._file = self._part.path.open("wb")
        except OSError as error:
            raise SinkError(f"{path}: the times cannot be written: {error.strerror}") from error

    def times(self, played: Played) -> None:
        if not played.finished:
            raise ConfigError(
                "not one frame was measured, so there are no times to record", hint="give a longer film"
            )
        self._played = played
        self._finished = dict(played.finished)
        frames = [frame for frame, _ in played.shown]
        self._filled = dict(zip(frames, played.times.filled(frames), strict=True))

    def add(self, scene: Scene) -> None:
        index = scene.frame.index
        if self._played is None or index not in self._filled:
            return
        done_s = self._finished.get(index)
        done_ms = None if done_s is None else round(done_s * 1e3, 6)
        record = record_of(scene, timing=False, exact=True)
        record["timing"] = timing_record(self._filled[index], self._played.times, done_ms)
        try:
            self._file.write(msgspec.json.encode(record) + b"\n")
        except OSError as error:
            raise SinkError(f"{self._path}: the times could not be written: {error.strerror}") from error

    def close(self, whole: bool) -> None:
        self._file.close()
        if whole:
            self._part.publish(whole=True)
        else:
            self._part.discard()
