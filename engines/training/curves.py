"""The course of a training run, as a table and as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from engines.model_file import write_model

Row = Mapping[str, float]


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """A line per epoch; whole or not at all. Columns: epoch, lr, loss, seconds, mean IoU and IoU per class."""
    columns = dict.fromkeys(key for row in rows for key in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.6g}" for key, value in row.items()})
    write_model(text.getvalue().encode(), path)


def draw(path: Path, rows: Sequence[Row], title: str) -> None:
    """Loss, mean IoU and learning rate over the epochs, as a PNG; whole or not at all.

    Drawn without pyplot: no window, no global state.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 7), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 1])
    epochs = [row["epoch"] for row in rows]
    upper.plot(epochs, [row["loss"] for row in rows], color="#1f5fa8", marker="." if len(rows) < 20 else "")
    upper.set(ylabel="training loss", title=title)
    names = dict.fromkeys(key for row in rows for key in row if key.endswith("mean_iou"))
    for name in names:
        scored = [row for row in rows if name in row]
        label = f"{name.removesuffix('_mean_iou')}, best {max(row[name] for row in scored):.3f}"
        middle.plot([row["epoch"] for row in scored], [row[name] for row in scored], ".-", label=label)
    middle.set(ylabel="mean IoU")
    if names:
        middle.legend(loc="lower right")
    lower.plot(epochs, [row["lr"] for row in rows], color="#777777")
    lower.set(ylabel="learning rate", xlabel="epoch")
    for axes in (upper, middle, lower):
        axes.grid(alpha=0.3)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    write_model(file.getvalue(), path)
