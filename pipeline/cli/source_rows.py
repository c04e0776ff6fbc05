"""How the sources of a run stand: a row for each on a terminal, a line for each elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from pipeline.cli.table import plain_table

if TYPE_CHECKING:
    from pipeline.live.state import SourceState
    from pipeline.running.source_run import SourceRun

COLOURS = {"live": "green", "connecting": "yellow", "stalled": "yellow", "lost": "red", "ended": "dim"}


class Rates:
    """Frames a second of each source of late."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, int]] = {}
        self._fps: dict[str, float] = {}

    def update(self, runs: Sequence[SourceRun], now_s: float) -> dict[str, float]:
        """By the name of the source; over the time since the last call, smoothed."""
        for one in runs:
            done = one.summary.processed
            then_s, before = self._before.get(one.name, (now_s, done))
            if now_s > then_s:
                latest = (done - before) / (now_s - then_s)
                old = self._fps.get(one.name, latest)
                self._fps[one.name] = old + 0.3 * (latest - old)
            self._before[one.name] = now_s, done
        return self._fps


def rows(runs: Sequence[SourceRun], fps: dict[str, float]) -> Table:
    """The table that is drawn anew several times a second."""
    table = plain_table("source", "state", "frames", "fps", "age ms", "dropped", "gaps", numbers_from=2)
    for one in runs:
        state = one.source.state
        colour = COLOURS[state.state]
        table.add_row(escape(one.name), f"[{colour}]{_state(state)}[/{colour}]", *_figures(one, fps))
    return table


def lines(runs: Sequence[SourceRun], fps: dict[str, float]) -> list[str]:
    """The same without a terminal."""
    told = []
    for one in runs:
        frames, rate, age, dropped, gaps = _figures(one, fps)
        told.append(
            f"{one.name}: {_state(one.source.state)}, {frames} frames, {rate} fps, age {age} ms, "
            f"dropped {dropped}, gaps {gaps}"
        )
    return told


def change(one: SourceRun, state: SourceState, alone: bool) -> str | None:
    """What to say when a source came into a state; None where that is what everybody expects."""
    name = "" if alone else f"{one.name}: "
    if state.state == "live":
        if not state.gaps and not state.reason:
            return None
        back = f"live again after {state.gaps} gap{'s' * (state.gaps != 1)}" if state.gaps else "live"
        return f"{name}{back}{': ' * bool(state.reason)}{state.reason}"
    if not state.reason or state.state == "connecting":
        return None
    if state.state == "lost":
        return f"{name}lost: {state.reason}; trying again"
    return f"{name}{state.state}: {state.reason}"


def _state(state: SourceState) -> str:
    return f"{state.state} ({state.attempt})" if state.attempt > 1 else state.state


def _figures(one: SourceRun, fps: dict[str, float]) -> tuple[str, str, str, str, str]:
    age = "-" if one.age_s is None else f"{one.age_s * 1e3:.0f}"
    dropped = sum(one.ledger.drops.values())
    rate = fps.get(one.name)
    return (
        str(one.summary.processed),
        "-" if rate is None else f"{rate:.1f}",
        age,
        str(dropped),
        str(one.source.state.gaps),
    )
