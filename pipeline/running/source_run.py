"""One source of a run: what it is written to, what its numbers are, whether it failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config import OutputConfig
from pipeline.errors import UserError
from pipeline.evaluation.truth_score import TruthScore
from pipeline.flow import Ledger
from pipeline.live.supervised import Supervised
from pipeline.report import source_report
from pipeline.running.outputs import STREAM, sinks
from pipeline.sinks.stdout import STDOUT, records_path
from pipeline.sources import notes_of
from pipeline.timing import Summary
from pipeline.trace import Trace
from pipeline.types import Picture, Sink


@dataclass
class SourceRun:
    """What a run keeps of each of its sources. The caller's thread writes, but for `failure`."""

    spec: str
    name: str  # short, see source_names
    source: Supervised
    out: OutputConfig  # with the source's own paths
    summary: Summary = field(default_factory=Summary)
    score: TruthScore = field(default_factory=TruthScore)
    opened: list[Sink] = field(default_factory=list)
    trace: Trace | None = None
    failure: UserError | None = None  # why it was given up; written by the thread that reads it
    ledger: Ledger = field(default_factory=Ledger)  # frames that came and frames lost; the flow's, once there is one
    age_s: float | None = None  # of the last frame when it was done, seconds

    def outputs(self, start_s: float) -> list[tuple[str, Callable[[], Sink]]]:
        """Name and opener of each sink."""
        return sinks(self.out, self.spec, self.source, start_s, self.opened)

    def has_failed(self) -> bool:
        """Whether it was given up."""
        return self.failure is not None

    @property
    def files(self) -> tuple[list[str], list[str]]:
        """Paths of the files, and of the folders, that it writes."""
        out = self.out
        records = out.json and str(records_path(out.json))
        files = (out.save, None if records == str(STDOUT) else records, out.trace)
        folders = (out.masks, out.pictures)
        return [name for name in files if name is not None], [name for name in folders if name is not None]

    def add(self, picture: Picture, done_s: float) -> None:
        """A frame of this source came out at `done_s`, time.monotonic()."""
        frame = picture.scene.frame
        self.age_s = done_s - frame.captured_s
        self.summary.add(frame, done_s)
        self.score.add(picture)
        if self.trace is not None:
            self.trace.add(frame, done_s, self.ledger.drops)

    def open_trace(self) -> Trace | None:
        """The trace, where one is wanted; to be closed by who asked."""
        if self.out.trace:
            self.trace = Trace(Path(self.out.trace))
        return self.trace

    @property
    def dropped(self) -> Mapping[str, int]:
        """Frames lost so far, by cause; of a live source `stream:..`, too: those that came out, but were not sent."""
        lost = self.ledger.drops
        if self.source.live:
            for sink in self._streams:
                lost.update({f"{STREAM}{cause}": count for cause, count in sink.dropped.items()})
        return lost

    def news(self) -> Sequence[str]:
        """What happened to its outputs since the last call that does not end the run; for one thread."""
        return [one for sink in list(self.opened) if hasattr(sink, "news") for one in sink.news()]

    @property
    def _streams(self) -> list[Any]:
        return [sink for sink in self.opened if hasattr(sink, "dropped")]

    def stream_report(self) -> dict[str, Any]:
        """For the summary: what became of its live stream; empty: there is none."""
        streams = self._streams
        return {"stream": streams[0].report()} if streams else {}

    @property
    def notes(self) -> Sequence[str]:
        """What a reader of its outputs should know."""
        return notes_of(self.source) + [note for sink in self.opened for note in getattr(sink, "notes", ())]

    def report(self) -> dict[str, Any]:
        """For the summary of a run of several sources."""
        state = self.source.state
        what = {
            "source": self.name,
            **source_report(self.source.info, self.source.undecodable),
            "source_fps": self.source.info.fps,  # its own: `fps` is that of the frames that came out
            "state": state.state,
            "gaps": state.gaps,
            "error": None if self.failure is None else self.failure.message,
            "captured": self.ledger.captured,
            **self.summary.as_dict(self.ledger.drops),
        }
        if (truth := self.score.report()) is not None:
            what["truth"] = truth
        return what | self.stream_report()
