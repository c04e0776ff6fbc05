"""What `dashmask score` says of a benchmark's own figures, by the names that its tool gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.cli.table import plain_table

if TYPE_CHECKING:
    from rich.table import Table

_MOTS = ("sMOTSA", "MOTSA", "MOTSP", "HOTA", "DetA", "AssA")
_COUNTS = ("TP", "FP", "FN", "IDS")


def official_tables(what: Mapping[str, Any]) -> list[Table]:
    """A table for each benchmark whose figures are there."""
    makers = {"cityscapes": _cityscapes, "davis": _davis, "lane": _lane, "mots": _mots}
    return [make(what[name]) for name, make in makers.items() if name in what]


def _mots(what: Mapping[str, Any]) -> Table:
    table = plain_table("MOTS", *_MOTS, *_COUNTS, numbers_from=1)
    for name, figures in what["classes"].items():
        shares = (_percent(figures[key]) for key in _MOTS)
        table.add_row(name, *shares, *(str(figures[key]) for key in _COUNTS))
    return table


def _lane(what: Mapping[str, Any]) -> Table:
    table = plain_table("lanes", *what, numbers_from=1)
    first = next(iter(what.values()))
    for task, classes in first["classes"].items():
        for name in classes:
            table.add_row(f"{task}: {name}", *(_percent(one["classes"][task][name]) for one in what.values()))
        table.add_row(f"{task}, mean", *(_percent(one["tasks"][task]) for one in what.values()))
        table.add_section()
    table.add_row("average", *(_percent(one["average"]) for one in what.values()))
    return table


def _davis(what: Mapping[str, Any]) -> Table:
    table = plain_table(f"DAVIS, {what['task']}", "Mean", "Recall", "Decay", numbers_from=1)
    for kind in ("J", "F"):
        table.add_row(kind, *(_percent(what[f"{kind}-{name}"]) for name in ("Mean", "Recall", "Decay")))
    table.add_row(f"J&F of {len(what['objects'])} objects", _percent(what["J&F-Mean"]), "", "")
    return table


def _cityscapes(what: Mapping[str, Any]) -> Table:
    kinds = {"objects": ("AP", "AP50%"), "classes": ("IoU", "iIoU")}
    shown = {kind: columns for kind, columns in kinds.items() if kind in what}
    table = plain_table("Cityscapes", *(column for columns in shown.values() for column in columns), numbers_from=1)
    for name in what[next(reversed(shown))]:
        cells = [_percent(what[kind].get(name, {}).get(one)) for kind, columns in shown.items() for one in columns]
        table.add_row(name, *cells)
    table.add_section()
    means = {"objects": ("AP", "AP50%"), "classes": ("IoU_class", "iIoU_class")}
    table.add_row("average", *(_percent(what[key]) for kind in shown for key in means[kind]))
    if "categories" in what:
        table.add_section()
        aside = [""] * 2 * ("objects" in shown)
        for name, figures in what["categories"].items():
            table.add_row(name, *aside, *(_percent(figures[key]) for key in ("IoU", "iIoU")))
        table.add_row("average category", *aside, _percent(what["IoU_category"]), _percent(what["iIoU_category"]))
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f}"
