"""The tables of a report, as rows of text; the first row is the head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.evaluation.report.said import percent

Row = tuple[str, ...]


def label_rows(what: Mapping[str, Any]) -> list[Row]:
    """IoU and its kin of each class, and the means."""
    rows: list[Row] = [("class", "IoU", "Dice", "accuracy", "pixels in truth")]
    for name, one in what["classes"].items():
        rows.append((name, percent(one["IoU"]), percent(one["Dice"]), percent(one["accuracy"]), f"{one['pixels']:,}"))
    means = (what["mIoU"], what["mean_Dice"], what["class_accuracy"])
    rows.append(("mean", *map(percent, means), ""))
    rows.append(("weighted with the truth", percent(what["frequency_weighted_IoU"]), "", "", ""))
    rows.append(("all pixels", "", "", percent(what["pixel_accuracy"]), f"{what['pixels']['scored']:,}"))
    return rows


def object_rows(what: Mapping[str, Any]) -> list[Row]:
    """AP by class and size of masks, AP of boxes, and the means; without masks all of boxes."""
    keys = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
    columns = [("mask", key) for key in keys] + [("box", key) for key in ("AP", "AP50")]
    if "mask" not in what:
        columns = [("box", key) for key in keys]
    rows: list[Row] = [("class", *(" ".join(column) for column in columns), "in truth", "found")]
    classes = what[columns[0][0]]["classes"]
    for name, one in classes.items():
        if one["truth"]:
            figures = [percent(what[kind]["classes"][name][key]) for kind, key in columns]
            rows.append((name, *figures, str(one["truth"]), str(one["found"])))
    means = [percent(what[kind][key]) for kind, key in columns]
    totals = [str(sum(one[key] for one in classes.values())) for key in ("truth", "found")]
    rows.append(("mean", *means, *totals))
    return rows


def panoptic_rows(what: Mapping[str, Any]) -> list[Row]:
    """PQ, SQ and RQ of all, things, stuff, and each class."""
    rows: list[Row] = [("", "PQ", "SQ", "RQ", "matched", "false", "missed")]
    for name in ("all", "things", "stuff"):
        one = what[name]
        shares = [percent(one[key]) for key in ("PQ", "SQ", "RQ")]
        rows.append((f"{name} ({one['classes']} classes)", *shares, "", "", ""))
    for name, one in what["classes"].items():
        if one["PQ"] is not None:
            shares = [percent(one[key]) for key in ("PQ", "SQ", "RQ")]
            rows.append((name, *shares, *(str(one[key]) for key in ("matched", "false", "missed"))))
    return rows


def latency_rows(what: Mapping[str, Any]) -> list[Row]:
    """Milliseconds of each stage; a dash where too few frames carry a percentile."""
    rows: list[Row] = [("ms a frame", "mean", "p50", "p90", "p99", "max")]
    for name, times in {**what["stages_ms"], "from image to result": what["age_ms"]}.items():
        cells = (times[key] for key in ("mean", "p50", "p90", "p99", "max"))
        rows.append((name, *("–" if cell is None else f"{cell:.2f}" for cell in cells)))
    return rows


def time_rows(what: Mapping[str, Any]) -> list[Row]:
    """Accuracy offline, at the film's pace, and as simulated; none where nothing was said of time."""
    ways: list[tuple[str, Mapping[str, Any]]] = []
    if "streaming" in what:
        ways.append(("at the film's pace", what["streaming"]))
    ways += [(f"if {one['what_if'] or 'simulated'}", one) for one in what.get("what_if", ())]
    if not ways:
        return []
    kinds = [kind for kind in ("mask", "box") if kind in what]
    rows: list[Row] = [
        ("", "mean IoU", *(f"{kind} AP" for kind in kinds), "frames done", "dropped", "latency p50, ms")
    ]
    rows.append(("offline", *_accuracies(what, kinds), "", "", ""))
    for name, one in ways:
        frames, latency = one["frames"], one["latency_ms"]["p50"]
        counts = str(frames["processed"]), str(sum(frames["dropped"].values()))
        rows.append((name, *_accuracies(one, kinds), *counts, "–" if latency is None else f"{latency:.1f}"))
    return rows


def _accuracies(what: Mapping[str, Any], kinds: list[str]) -> list[str]:
    return [percent(what.get("mIoU")), *(percent(what.get(kind, {}).get("AP")) for kind in kinds)]
