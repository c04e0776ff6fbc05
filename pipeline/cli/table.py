"""Tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table


def plain_table(*columns: str, numbers_from: int | None = None) -> Table:
    """A table with a line under its head and nothing else; columns from `numbers_from` on are set to the right."""
    table = Table(box=box.SIMPLE_HEAD if any(columns) else None, pad_edge=False, show_header=any(columns))
    for number, column in enumerate(columns):
        right = numbers_from is not None and number >= numbers_from
        table.add_column(column, overflow="fold", justify="right" if right else "left")
    return table


def run_table(report: Mapping[str, Any]) -> Table:
    """The end of a run: frames, rate, and where the time went. A dash where too few frames carry a percentile."""
    frames = report["frames"]
    dropped = ", ".join(f"{count} {cause}" for cause, count in frames["dropped"].items()) or "none"
    fps, steady = report["fps"] or 0, report["fps_steady"]
    behind = "" if steady is None else f" ({steady:.1f} behind the first {report['warm_up_frames']} frames)"
    table = plain_table("ms a frame", "p50", "p90", "p99", "max", numbers_from=1)
    table.title = (
        f"{frames['in']} frames in, {frames['processed']} processed, dropped: {dropped}; {fps:.1f} frames/s{behind}"
    )
    table.title_justify, table.title_style = "left", "bold"
    for stage, times in {**report["stages_ms"], "age when done": report["age_ms"]}.items():
        table.add_row(stage, *(_figure(times[key]) for key in ("p50", "p90", "p99", "max")))
    return table


def _figure(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.2f}"
