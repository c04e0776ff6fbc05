"""An evaluation's report as one HTML file; every picture is inside."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.errors import SinkError, UserError
from pipeline.evaluation.report import charts
from pipeline.evaluation.report.said import facts, left_out, title
from pipeline.evaluation.report.tables import Row, label_rows, latency_rows, object_rows, panoptic_rows, time_rows
from pipeline.evaluation.report.worst import Worst
from pipeline.report import write_report
from pipeline.sinks import check_outputs

Bar = tuple[str, Sequence[float | None]]  # a class and its shares
PAGE, FIGURES = "index.html", "report.json"
_MOST_BARS = 40


def check_folder(name: str) -> Path:
    """The folder of a report, before an hour of work: it can be made, and what draws is installed.

    Raises:
        SinkError: it cannot be a folder.
        UserError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise UserError("a report needs matplotlib", hint="pip install 'dashmask[eval]'")
    folder = Path(name)
    if folder.exists() and not folder.is_dir():
        raise SinkError(f"{folder} is a file, a report is a folder", hint="give another name")
    if not folder.parent.is_dir():
        raise SinkError(f"{folder}: its folder is not there", hint=f"make {folder.parent} first")
    check_outputs(None, (), [folder])
    return folder


def write_page(folder: Path, what: Mapping[str, Any], worst: Worst) -> Path:
    """Write the page and the figures beside it.

    Returns:
        The page's path.

    Raises:
        SinkError: the disk does not take them.
    """
    page = folder / PAGE
    try:
        folder.mkdir(exist_ok=True)
        page.write_text(html(what, worst), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise SinkError(f"{page}: the report could not be written: {error.strerror}") from error
    write_report(folder / FIGURES, what)
    return page


def html(what: Mapping[str, Any], worst: Worst) -> str:
    """The whole page."""
    parts = [_head(what), _facts(what), _left_out(what)]
    if "box" in what and what["box"]["precision_recall"]["classes"]:
        parts.append(_objects(what))
    parts.append(_labels(what))
    if "panoptic" in what:
        parts.append(_section("Panoptic quality", _table(panoptic_rows(what["panoptic"]))))
    if timed := time_rows(what):
        parts.append(_section("Accuracy with time in it", _table(timed)))
    parts += [_worst(what, worst), _section("Speed", _table(latency_rows(what)), _machine(what))]
    style = files("pipeline.evaluation.report").joinpath("page.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title(what))}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>\n{style}</style></head>\n'
        f"<body><main>\n{chr(10).join(parts)}\n</main></body></html>\n"
    )


def _head(what: Mapping[str, Any]) -> str:
    models = ", ".join(f"{model['name']} on {model['backend']}" for model in what["models"])
    stopped = " Stopped before the last image." if what["interrupted"] else ""
    line = f"{models}. Data for: {what['dataset']['terms']}.{stopped}"
    return f"<header><h1>{escape(title(what))}</h1><p>{escape(line)}</p></header>"


def _facts(what: Mapping[str, Any]) -> str:
    rows = [
        "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in row)
        for row in facts(what)
    ]
    return "<section>" + "".join(f'<div class="facts">{row}</div>' for row in rows) + "</section>"


def _left_out(what: Mapping[str, Any]) -> str:
    sentences, files_out = left_out(what)
    listed = "".join(f"<li><code>{escape(name)}</code> {escape(reason)}</li>" for name, reason in files_out)
    details = f"<details><summary>Which, and why</summary><ul>{listed}</ul></details>" if files_out else ""
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    some = "some" if files_out else "none"
    return f'<section class="left-out {some}"><h2>What was left out</h2>{said}{details}</section>'


def _objects(what: Mapping[str, Any]) -> str:
    kinds = [kind for kind in ("mask", "box") if kind in what]
    first = what[kinds[0]]
    present = {name: one for name, one in first["classes"].items() if one["truth"]}
    rows: list[Bar] = [(name, tuple(what[kind]["classes"][name]["AP"] for kind in kinds)) for name in present]
    series = [f"{kind} AP" for kind in kinds]
    shapes = "masks" if "mask" in kinds else "boxes"
    order = sorted(present, key=lambda name: -present[name]["truth"])
    note = f"Average precision over IoU 0.50 to 0.95, {len(rows)} classes with an object in truth.{_cut(rows)}"
    return _section(
        "Objects",
        f"<p>{note}</p>",
        _picture(charts.bars(_most(rows), series), f"{' and '.join(kinds).capitalize()} AP of each class"),
        f"<h3>Precision and recall of {shapes} at IoU 0.5</h3>",
        _picture(charts.precision_recall(first["precision_recall"], order), "Precision over recall of each class"),
        _folded("All figures of each class", _table(object_rows(what))),
    )


def _labels(what: Mapping[str, Any]) -> str:
    rows: list[Bar] = [(name, (one["IoU"],)) for name, one in what["classes"].items() if one["IoU"] is not None]
    painted = what["mIoU_of"] != "label maps"
    heading = "Masks as a label map" if painted else "Label maps"
    note = f"Objects with a score of {what['painted_score']} or more, painted one over the other. " if painted else ""
    names = [*what["classes"], *(what["not_in_mean"] if painted else ())]
    return _section(
        heading,
        f"<p>{note}IoU of each class over all images.{_cut(rows)}</p>",
        _picture(charts.bars(_most(rows), ("IoU",)), "IoU of each class") if rows else "",
        "<h3>Confusion</h3><p>What the pixels of each class were taken for, in percent.</p>",
        _picture(charts.confusion(names, what["confusion"], "no class"), "Confusion matrix") if rows else "",
        _folded("All figures of each class", _table(label_rows(what))),
    )


def _cut(rows: Sequence[Bar]) -> str:
    if len(rows) <= _MOST_BARS:
        return ""
    return f" Shown are the {_MOST_BARS} worst; the table has all."


def _most(rows: Sequence[Bar]) -> Sequence[Bar]:
    """No more bars than can be read: the worst ones."""
    ordered = sorted(rows, key=lambda row: -1.0 if row[1][0] is None else row[1][0])
    return ordered[:_MOST_BARS]


def _worst(what: Mapping[str, Any], worst: Worst) -> str:
    frames = worst.frames()
    if not frames:
        return ""
    cards = "".join(
        f"<figure><figcaption><span>{escape(one.name)}</span><b>{one.quality * 100:.1f} %</b></figcaption>"
        f'<div><img alt="found" src="{_uri(one.found, "jpeg")}">'
        f'<img alt="truth" src="{_uri(one.truth, "jpeg")}"></div>'
        "</figure>"
        for one in frames
    )
    shapes = "masks" if "mask" in what else "boxes"
    kinds = [f"the F1 score of its {shapes} at IoU 0.5"] if "objects" in what and what["objects"]["truth"] else []
    if what["mIoU_of"] == "label maps" or not kinds:
        kinds.append("its own mean IoU")
    mean = f"the mean of {' and '.join(kinds)}" if len(kinds) > 1 else kinds[0]
    note = f"First what was found, then the truth. The percentage of an image is {mean}."
    key = "".join(f'<span><i style="background: rgb{rgb}"></i>{escape(name)}</span>' for name, rgb in worst.key())
    key = f'<p class="key">{key}</p>' if key else ""
    return _section(f"The worst {len(frames)} images", f"<p>{note}</p>", key, f'<div class="worst">{cards}</div>')


def _machine(what: Mapping[str, Any]) -> str:
    machine = json.dumps(what["machine"])[1:-1].replace('"', "")
    mapping = what["mapping"] if isinstance(what["mapping"], str) else ", ".join(what["mapping"])
    words = f"dashmask {what['dashmask']}; {machine}; peak memory {what['peak_rss_mb']} MB; classes: {mapping}"
    return f'<p class="machine">{escape(words)}</p>'


def _section(heading: str, *parts: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>{''.join(parts)}</section>"


def _folded(summary: str, inside: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{inside}</details>"


def _table(rows: Sequence[Row]) -> str:
    head, *body = rows
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>"


def _picture(svg: str, what: str) -> str:
    return f'<img class="chart" alt="{escape(what)}" src="{_uri(svg.encode(), "svg+xml")}">'


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
