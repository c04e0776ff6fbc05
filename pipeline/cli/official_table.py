"""What `dashmask score` says of a benchmark's own figures, by the names that its tool gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.cli.table import plain_table

if TYPE_CHECKING:
    from rich.table import Table

_MOTS = ("sMOTSA", "MOTSA", "MOTSP", "HOTA", "DetA", "AssA")
_DAVIS = ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
_COUNTS = ("TP", "FP", "FN", "IDS")


def official_tables(what: Mapping[str, Any]) -> list[Table]:
    """A table for each benchmark whose figures are there."""
    makers = {"davis": _davis, "mots": _mots}
    return [make(what[name]) for name, make in makers.items() if name in what]


def _mots(what: Mapping[str, Any]) -> Table:
    table = plain_table("MOTS", *_MOTS, *_COUNTS, numbers_from=1)
    for name, figures in what["classes"].items():
        shares = (_percent(figures[key]) for key in _MOTS)
        table.add_row(name, *shares, *(str(figures[key]) for key in _COUNTS))
    return table


def _davis(what: Mapping[str, Any]) -> Table:
    table = plain_table(f"DAVIS, {what['task']}", *_DAVIS, numbers_from=1)
    table.add_row(f"{len(what['objects'])} objects", *(_percent(what[name]) for name in _DAVIS))
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f}"
