"""Tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from pipeline.types import InputSpec


def plain_table(*columns: str, numbers_from: int | None = None) -> Table:
    """A table with a line under its head and nothing else; columns from `numbers_from` on are set to the right."""
    table = Table(box=box.SIMPLE_HEAD if any(columns) else None, pad_edge=False, show_header=any(columns))
    for number, column in enumerate(columns):
        right = numbers_from is not None and number >= numbers_from
        table.add_column(column, overflow="fold", justify="right" if right else "left")
    return table


def size_of(wanted: InputSpec) -> str:
    """The size of a network's input: `640x384`, `any size`, or with one side that is free `anyx384`."""
    height, width = (side or "any" for side in wanted.size_hw)
    return "any size" if height == width == "any" else f"{width}x{height}"


def headline(report: Mapping[str, Any]) -> str:
    """The end of a run in one line: what came in, what came out, how fast."""
    frames, steady = report["frames"], report["fps_steady"]
    dropped = ", ".join(f"{count} {cause}" for cause, count in frames["dropped"].items()) or "none"
    behind = "" if steady is None else f" ({steady:.1f} behind the first {report['warm_up_frames']} frames)"
    rate = f"{report['fps'] or 0:.1f} frames/s{behind}"
    truth = report.get("truth")
    told = f"; mean IoU {truth['mIoU']:.3f} against the truth of {truth['frames']} frames" if truth else ""
    return f"{frames['in']} frames in, {_processed(frames)}, dropped: {dropped}; {rate}{told}"


def _processed(frames: Mapping[str, Any]) -> str:
    carried = frames.get("carried")
    return f"{frames['processed']} processed" + (f" ({carried} of them carried)" if carried else "")


def source_line(report: Mapping[str, Any]) -> str:
    """The same of one source of several, with its name; where it was given up, why."""
    frames, gaps = report["frames"], report["gaps"]
    dropped = ", ".join(f"{count} {cause}" for cause, count in frames["dropped"].items()) or "none"
    away = f"; {gaps} gap{'s' * (gaps > 1)}" if gaps else ""
    failed = f"; failed: {report['error']}" if report["error"] else ""
    return (
        f"{report['source']}: {frames['in']} frames in, {_processed(frames)}, dropped: {dropped}; "
        f"{report['fps'] or 0:.1f} frames/s{away}{failed}"
    )


def run_table(report: Mapping[str, Any]) -> Table:
    """Where the time of a frame went. A dash where too few frames carry a percentile."""
    table = plain_table("ms a frame", "p50", "p90", "p99", "max", numbers_from=1)
    for stage, times in {**report["stages_ms"], "age when done": report["age_ms"]}.items():
        table.add_row(stage, *(_figure(times[key]) for key in ("p50", "p90", "p99", "max")))
    return table


def _figure(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.2f}"
