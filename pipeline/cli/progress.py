"""What a run says while it runs, and the table at its end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.cli.plain import plain

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import Progress as Bar

    from pipeline.cli.source_rows import Rates
    from pipeline.config import SourceConfig
    from pipeline.networks import Network
    from pipeline.run import Outcome
    from pipeline.running.source_run import SourceRun
    from pipeline.timing import Summary
    from pipeline.types import Source, SourceInfo

PLAIN_EVERY_S = 5.0
ROWS_EVERY_S = 0.25


class Progress:
    """A bar on a terminal, a line every few seconds elsewhere; all on stderr. Implements run.Watch.

    Args:
        chosen: which frames are taken.
        table_on_stderr: the table at the end, too, as stdout is for an output.
    """

    def __init__(self, chosen: SourceConfig, *, table_on_stderr: bool = False) -> None:
        self._chosen, self._table_on_stderr = chosen, table_on_stderr
        self._terminal = redraws()
        self._bar: Bar | None = None
        self._task: Any = None
        self._next_s = 0.0
        self._live: Live | None = None
        self._rates: Rates | None = None
        self._told: dict[str, set[str]] = {}  # of each source, since it was live: nothing is said twice

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def started(self, source: Source, nets: Sequence[Network]) -> None:
        """Say what runs, and for every backend that was passed over, why."""
        say_networks(nets)
        self._next_s = 0.0 if self._terminal else time.monotonic() + PLAIN_EVERY_S

    def frame(self, summary: Summary, info: SourceInfo) -> None:
        """Move on by one frame."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        total = self._total(info)
        if self._terminal:
            self._next_s = now_s + 0.1
            self._draw(summary, total)
        else:
            self._next_s = now_s + PLAIN_EVERY_S
            of = f" of {total}" if total else ""
            say(f"{summary.processed}{of} frames, {summary.fps or 0:.1f} fps")

    def _total(self, info: SourceInfo) -> int | None:
        """How many frames will come out, as far as known."""
        wanted, every = self._chosen.frames, self._chosen.every
        there = None if info.frames is None else -(-info.frames // every)
        return min((n for n in (wanted, there) if n is not None), default=None)

    def sources(self, runs: Sequence[SourceRun]) -> None:
        """Say what changed, and how all sources stand."""
        from pipeline.cli.source_rows import Rates, change, lines, rows

        for one in runs:
            for state in one.source.changes():
                told = change(one, state, len(runs) == 1)
                if told is not None and told not in self._told.setdefault(one.name, set()):
                    self._tell(told)
                    self._told[one.name].add(told)
                if state.state == "live":
                    self._told[one.name] = set()
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + (ROWS_EVERY_S if self._terminal else PLAIN_EVERY_S)
        self._rates = self._rates or Rates()
        fps = self._rates.update(runs, now_s)
        if not self._terminal:
            for line in lines(runs, fps):
                say(line)
            return
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), transient=True, auto_refresh=False)
            self._live.start()
        self._live.update(rows(runs, fps), refresh=True)

    def _tell(self, line: str) -> None:
        if self._live is None:
            say(line)
        else:
            self._live.console.print(plain(line), markup=False, highlight=False, soft_wrap=True)

    def _draw(self, summary: Summary, total: int | None) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[fps]}"), TimeRemainingColumn())
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
            self._task = self._bar.add_task("", total=total, fps="")
            self._bar.start()
        fps = f"{summary.fps or 0:.1f} fps"
        self._bar.update(self._task, completed=summary.processed, total=total, fps=fps, refresh=True)

    def noted(self, notes: Sequence[str]) -> None:
        """What a reader of the outputs should know."""
        self._stop()
        for note in notes:
            say(f"note: {note}")

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._live is not None:
            self._live.stop()

    def finish(self, outcome: Outcome) -> None:
        """The table of the run."""
        from rich.console import Console

        from pipeline.cli.table import headline, run_table, source_line

        console = Console(stderr=self._table_on_stderr)
        for one in outcome.report.get("sources", ()):
            console.print(plain(source_line(one)), soft_wrap=True, markup=False)
        console.print(headline(outcome.report), soft_wrap=True)
        console.print(run_table(outcome.report))
        if outcome.interrupted:
            say("stopped before the end; what was written up to here is whole")


def redraws() -> bool:
    """Whether stderr is a terminal that can draw a line anew; on a dumb one a bar of rich shows nothing at all."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def say(line: str) -> None:
    """One line for people, on stderr: stdout is for what was asked for."""
    print(plain(line), file=sys.stderr, flush=True)


def say_networks(nets: Sequence[Network]) -> None:
    """Say what runs, and for every backend that was passed over, why."""
    for net in nets:
        say(f"{net.card.name} runs on {net.selection.backend.name}: {net.selection.backend.detail}")
    tried = [t for net in nets for t in net.selection.tried if not t.ok]
    for line in dict.fromkeys(f"  not {t.name}: {t.reason}" for t in tried):
        say(line)
    for note in dict.fromkeys(note for net in nets for note in net.selection.notes):
        say(f"note: {note}")
