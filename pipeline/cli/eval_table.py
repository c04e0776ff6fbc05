"""What `dashmask eval` says on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from pipeline.cli.table import plain_table
from pipeline.evaluation.report.said import unmapped

if TYPE_CHECKING:
    from rich.table import Table

_LISTED = 5  # so many files that were left out are named on the screen; the JSON names all


def tables(what: Mapping[str, Any]) -> list[Table]:
    """A table for each kind of score in an evaluation's report."""
    made = []
    objects = "box" in what or "mask" in what
    if objects:
        made.append(_objects(what))
    if what.get("mIoU_of") == "label maps" or ("mIoU" in what and not objects):
        made.append(_labels(what))
    if "panoptic" in what:
        made.append(_panoptic(what["panoptic"]))
    return made


def _labels(what: Mapping[str, Any]) -> Table:
    table = plain_table("class", "IoU", "Dice", "accuracy", "share of truth", numbers_from=1)
    for name, figures in what["classes"].items():
        share = figures["pixels"] / what["pixels"]["scored"] if what["pixels"]["scored"] else None
        shown = (figures["IoU"], figures["Dice"], figures["accuracy"], share)
        table.add_row(escape(name), *map(_percent, shown))
    table.add_section()
    means = (what["mIoU"], what["mean_Dice"], what["class_accuracy"])
    table.add_row("mean", *map(_percent, means), "")
    table.add_row("weighted with the truth", _percent(what["frequency_weighted_IoU"]), "", "", "")
    table.add_row("all pixels", "", "", _percent(what["pixel_accuracy"]), "")
    return table


def _objects(what: Mapping[str, Any]) -> Table:
    kinds = [kind for kind in ("box", "mask") if kind in what]
    painted = what["mIoU_of"] != "label maps" and what["mIoU"] is not None  # else the IoU is that of another network
    aps = [name for kind in kinds for name in (f"{kind} AP", "AP50")]
    columns = ("class", *aps, "AR100", *(("IoU",) if painted else ()), "objects")
    table = plain_table(*columns, numbers_from=1)
    last = what[kinds[-1]]
    for name, figures in last["classes"].items():
        if not figures["truth"]:
            continue
        shown = [what[kind]["classes"][name][key] for kind in kinds for key in ("AP", "AP50")] + [figures["AR100"]]
        if painted:
            shown.append(what["classes"][name]["IoU"])
        table.add_row(escape(name), *map(_percent, shown), str(figures["truth"]))
    table.add_section()
    shown = [what[kind][key] for kind in kinds for key in ("AP", "AP50")] + [last["AR100"]]
    if painted:
        shown.append(what["mIoU"])
    table.add_row("mean", *map(_percent, shown), str(sum(one["truth"] for one in last["classes"].values())))
    for name, key in (("small", "APs"), ("medium", "APm"), ("large", "APl")):
        by_size = [text for kind in kinds for text in (_percent(what[kind][key]), "")]
        table.add_row(name, *by_size, *[""] * (len(columns) - 1 - len(by_size)))
    return table


def _panoptic(what: Mapping[str, Any]) -> Table:
    table = plain_table("panoptic", "PQ", "SQ", "RQ", "classes", numbers_from=1)
    for name in ("all", "things", "stuff"):
        figures = what[name]
        table.add_row(name, *(_percent(figures[key]) for key in ("PQ", "SQ", "RQ")), str(figures["classes"]))
    return table


def lines(what: Mapping[str, Any]) -> list[str]:
    """What the tables do not say: which images, how fast, what was not scored."""
    data, left_out = what["dataset"], what["left_out"]
    carried = what.get("frames", {}).get("carried", 0)
    by_flow = f" ({carried} of them carried)" if carried else ""
    return [
        f"{data['name']} {data['split']}".rstrip()
        + f": {what['images']} images{by_flow}, {left_out['count']} left out; "
        f"data for: {data['terms']}",
        *left_out_lines(left_out),
        *scored_lines(what),
        _speed(what),
    ]


def _speed(what: Mapping[str, Any]) -> str:
    if "workers" in what:  # on a cluster
        return f"{what['fps']:.1f} frames/s by {len(what['workers'])} workers, their start included"
    network, age = what["stages_ms"]["infer"], what["age_ms"]
    return (
        f"{what['fps'] or 0:.1f} frames/s, reading the images and their labels included; network "
        f"{_ms(network)}, from image to result {_ms(age)}"
        + (f", p90 {age['p90']:.1f} ms" if age["p90"] is not None else "")
        + (f", p99 {age['p99']:.1f} ms" if age["p99"] is not None else "")
    )


def left_out_lines(left_out: Mapping[str, Any]) -> list[str]:
    """The first files that were left out, and why."""
    said = [f"  left out: {one['name']}: {one['reason']}" for one in left_out["files"][:_LISTED]]
    return [*said, f"  left out: {left_out['count'] - _LISTED} more"] if left_out["count"] > _LISTED else said


def scored_lines(what: Mapping[str, Any]) -> list[str]:
    """What was not scored, in which classes, and the borders."""
    said = [f"not scored: {note}" for note in what["not_scored"]]
    used = what["mapping"] if isinstance(what["mapping"], list) else [what["mapping"]]
    if names := [name for name in used if name != "same names"]:
        said.append(f"classes as {' and '.join(names)} {'maps' if len(names) == 1 else 'map'} them")
    if what["not_in_mean"]:
        said.append(f"not in the mean: {', '.join(what['not_in_mean'])}")
    said += unmapped(what, _LISTED)
    if "boundary" in what:
        borders = what["boundary"]
        said.append(f"boundary IoU {_percent(borders['IoU'])}, boundary F {_percent(borders['F'])}")
    return said


def _ms(times: Mapping[str, float | None]) -> str:
    median, mean = times["p50"], times["mean"]
    return f"{mean or 0:.1f} ms on average" if median is None else f"{median:.1f} ms"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f}"
