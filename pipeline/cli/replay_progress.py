"""What a replay says while it runs, and at its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pipeline.cli.progress import PLAIN_EVERY_S, redraws, say

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress as Bar

    from pipeline.replay.dispatch import Counts
    from pipeline.replay.replay import Outcome

_LISTED = 10  # so many failures are named on the screen; report.json names all


class ReplayProgress:
    """A bar on a terminal, a line every few seconds elsewhere; all on stderr. Implements replay.Watch."""

    def __init__(self) -> None:
        self._terminal = redraws()
        self._bar: Bar | None = None
        self._task: Any = None
        self._clips = 0
        self._began_s = self._next_s = 0.0

    def __enter__(self) -> ReplayProgress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def started(self, identity: Any, clips: int) -> None:
        """Say what runs."""
        for model, backend in zip(identity["models"], identity["options"]["backend"], strict=True):
            say(f"{model['name']} runs on {backend['name']}, {backend['precision']}; clips to do: {clips}")
        self._clips, self._began_s = clips, time.monotonic()
        self._next_s = self._began_s + (0 if self._terminal else PLAIN_EVERY_S)

    def went_on(self, counts: Counts) -> None:
        """Something came back."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        fps = counts.frames / max(now_s - self._began_s, 1e-9)
        failed = f", {counts.failed} failed" if counts.failed else ""
        if self._terminal:
            self._next_s = now_s + 0.1
            self._draw(counts, f"clips{failed}, {counts.frames} frames, {fps:.1f} fps")
        else:
            self._next_s = now_s + PLAIN_EVERY_S
            say(f"clips done: {counts.clips} of {self._clips}{failed}, {counts.frames} frames, {fps:.1f} fps")

    def _draw(self, counts: Counts, told: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"), TimeRemainingColumn())
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
            self._task = self._bar.add_task("", total=self._clips, told="")
            self._bar.start()
        self._bar.update(self._task, completed=counts.clips, total=self._clips, told=told, refresh=True)


def finish(outcome: Outcome, out: Path) -> int:
    """The end in a few lines, on stdout; the exit code: 0, 1 where clips failed, 130 where it was stopped."""
    what = outcome.report
    clips, run = what["clips"], what["this_run"]
    split = f", {what['split']} of them cut at key frames" if what["split"] else ""
    print(
        f"clips done: {clips['done']} of {clips['all']}{split}; {what['frames']} frames, {what['rows']} rows in {out}"
    )
    for name, one in run["workers"].items():
        print(f"  {name}: {one['frames']} frames, {one['fps'] or 0:.1f} fps")
    for note in run["notes"]:
        say(f"note: {note}")
    failures = what["failures"]["clips"]
    for one in failures[:_LISTED]:
        print(f"  failed: {one['name']}: {one['reason']}")
    if len(failures) > _LISTED:
        print(f"  failed: {len(failures) - _LISTED} more, see {out / 'report.json'}")
    if outcome.interrupted:
        say(f"stopped, clips left: {clips['waiting']}; the same command with --resume goes on")
        return 130
    return 1 if failures else 0
