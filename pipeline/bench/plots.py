"""The charts of a benchmark, as PNG. Heavy: matplotlib is imported where it draws."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _QUIET, _GRID = "#1f2933", "#616e7c", "#e4e7eb"
_COLOURS = (  # Okabe and Ito's, but for black and yellow: they part for colour-blind readers too
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#1f2933"),
    *("#56b4e9", "#e69f00", "#882255", "#8a8a8a", "#9a7a00"),
)
_WIDTH_IN = 10.0
_OTHERWISE = ("input.", "track.carry")  # settings with which a network is not as accurate as its card says
_HALF_LINE = 52  # letters of a legend that half of the width has room for
_STYLE: Any = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _QUIET,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "text.color": _INK,
    "xtick.color": _QUIET,
    "ytick.color": _INK,
    "text.parse_math": False,  # a $ in a name is a $
}


def check_plots(name: str) -> Path:
    """The folder for charts, made; before long work it can still be said that they cannot be drawn.

    Raises:
        ConfigError: matplotlib is not installed.
        SinkError: the folder cannot be made.
    """
    if find_spec("matplotlib") is None:
        raise ConfigError("--plots needs matplotlib", hint="pip install 'dashmask[eval]'")
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"{folder} cannot be made: {error.strerror}", hint="give a folder of yours") from error
    return folder


def draw(folder: Path, report: Mapping[str, Any]) -> list[Path]:
    """Write stages.png, latency.png and, where a card states the accuracy of what ran, accuracy.png.

    Raises:
        SinkError: the folder cannot be written to.
    """
    cases = [case for case in report["cases"] if case["ok"]]
    if not cases:
        return []
    written = []
    for name, chart in (("stages", stages), ("latency", latency), ("accuracy", accuracy)):
        figure = chart(cases, report)
        if figure is None:
            continue
        path = folder / f"{name}.png"
        try:
            figure.savefig(path, dpi=144)
        except OSError as error:
            raise SinkError(f"{path}: cannot be written: {error.strerror}") from error
        written.append(path)
    return written


def stages(cases: Sequence[Mapping[str, Any]], report: Mapping[str, Any]) -> Figure | None:
    """A bar a case: the mean time of a frame in each stage, and the wait before it in a lighter shade."""
    names = list(dict.fromkeys(stage for case in cases for stage in case["stages"]))
    with _drawn(1.7 + 0.62 * len(cases)) as (figure, axes):
        longest = 0.0
        for place, case in enumerate(cases):
            left = 0.0
            for stage, times in case["stages"].items():
                colour = _COLOURS[names.index(stage) % len(_COLOURS)]
                share = times["service_ms"]["samples"] / case["age_ms"]["samples"]  # some frames pass by a network
                waited = ((times["waiting_ms"] or {}).get("mean") or 0.0) * share
                worked = (times["service_ms"]["mean"] or 0.0) * share
                axes.barh(place, waited, 0.62, left, color=colour, alpha=0.3, linewidth=0)
                axes.barh(place, worked, 0.62, left + waited, color=colour, linewidth=0)
                left += waited + worked
            axes.text(left, place, f"  {left:.1f} ms" if left < 100 else f"  {left:.0f} ms", va="center", fontsize=9)
            longest = max(longest, left)
        for number, stage in enumerate(names):
            axes.barh(0, 0, color=_COLOURS[number % len(_COLOURS)], label=stage)
        axes.barh(0, 0, color=_QUIET, alpha=0.3, label="lighter: waiting before it")
        axes.set_yticks(range(len(cases)), [_folded(case["label"], 40, 3) for case in cases])
        axes.invert_yaxis()
        axes.set_xlim(0, longest * 1.12 or 1)
        axes.set_xlabel("time of a frame, ms, mean")
        axes.set_title(_title("Where a frame's time goes", report) + _busy(cases))
        axes.grid(axis="x", color=_GRID, linewidth=0.7)
        figure.legend(loc="outside lower center", ncols=min(8, len(names) + 1), frameon=False, fontsize=9)
        return figure


def latency(cases: Sequence[Mapping[str, Any]], report: Mapping[str, Any]) -> Figure | None:
    """The share of frames that took at least so long, over a logarithmic axis, with the percentiles marked."""
    with _drawn(4.8) as (figure, axes):
        fewest = 0.1
        for number, case in enumerate(cases):
            histogram, colour = case["age_histogram"], _COLOURS[number % len(_COLOURS)]
            counts = np.array(histogram["counts"], np.float64)
            above = (counts[::-1].cumsum()[::-1] / counts.sum()).tolist()
            axes.step(histogram["edges_ms"], [*above, 0.0], where="post", color=colour, label=_said(case["label"]))
            fewest = min(fewest, 1 / counts.sum())
        axes.set_yscale("log")
        axes.set_xscale("log")
        ticks = [share for share in (1, 0.5, 0.1, 0.01, 0.001, 0.0001) if share >= fewest]
        axes.set_yticks(ticks, [_share(share) for share in ticks])
        axes.minorticks_off()
        axes.set_ylim(fewest * 0.8, 1.25)
        _plain_log(axes, cases)
        axes.set_xlabel("age of a frame when it was done, ms")
        axes.set_ylabel("frames that were older")
        axes.set_title(_title("How late", report) + _busy(cases))
        axes.grid(color=_GRID, linewidth=0.7)
        _legend(figure, axes)
        return figure


def accuracy(cases: Sequence[Mapping[str, Any]], report: Mapping[str, Any]) -> Figure | None:
    """Accuracy as each card states it, over the median age; a marker for each set it was measured on."""
    known = [(case, told) for case in cases if (told := _told(case, report)) is not None]
    if not known:
        return None
    sets = list(dict.fromkeys(on for _, (_, on) in known))
    ages: list[float] = []
    with _drawn(4.8) as (figure, axes):
        for case, (value, on) in known:
            age = case["age_ms"]["p50"] or case["age_ms"]["mean"]
            colour = _COLOURS[cases.index(case) % len(_COLOURS)]  # as in the other charts
            label = _said(f"{case['label']}: {value:.3f} on {on}, {age:.1f} ms")
            marker = "osD^vP"[sets.index(on) % 6]
            axes.scatter(age, value, 110, colour, marker=marker, label=label, alpha=0.85)
            ages.append(age)
        axes.set_xlim(-0.02 * max(ages), max(ages) * 1.15)  # no marker is cut by the edge
        values = [value for _, (value, _) in known]
        axes.set_ylim(max(0.0, min(values) - 0.15), min(1.0, max(values) + 0.15))
        axes.set_xlabel("age of a frame when it was done, ms, median")
        axes.set_ylabel("mean IoU, as the card states it")
        apart = "\neach marker is a data set of its own: accuracies of two are not compared" if len(sets) > 1 else ""
        axes.set_title(_title("Accuracy against latency", report) + apart + _busy(cases))
        axes.grid(color=_GRID, linewidth=0.7)
        for case in cases:
            if _told(case, report) is None:
                axes.scatter(
                    [], [], 110, _GRID, label=_said(f"{case['label']}: its card states no accuracy for this")
                )
        _legend(figure, axes)
        return figure


def _legend(figure: Figure, axes: Axes) -> None:
    """Below the chart, where it hides nothing and takes none of its height."""
    labels = axes.get_legend_handles_labels()[1]
    columns = 2 if len(labels) > 1 and max(map(len, labels)) <= _HALF_LINE else 1
    lines = sum(label.count("\n") + 1 for label in labels) / columns
    figure.set_figheight(figure.get_figheight() + 0.2 * lines)
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def _said(label: str) -> str:
    """A label as a legend has it: matplotlib leaves out those that begin with an underscore."""
    return _folded(f" {label}" if label.startswith("_") else label, 2 * _HALF_LINE, 4)


def _folded(text: str, width: int, most: int) -> str:
    """In lines of so many characters, and no more lines than that."""
    return "\n".join(textwrap.wrap(text, width, max_lines=most, placeholder=" ...", drop_whitespace=False))


def _title(words: str, report: Mapping[str, Any]) -> str:
    return _folded(f"{words}: {_subject(report)}", 68, 4)


def _busy(cases: Sequence[Mapping[str, Any]]) -> str:
    """A line for the title where the machine had other work."""
    if not any(case["other_load"]["over"] for case in cases):
        return ""
    most = max(case["other_load"]["share"] for case in cases)
    return f"\nmeasured while other work took up to {most * 100:.0f} % of the machine"


def _told(case: Mapping[str, Any], report: Mapping[str, Any]) -> tuple[float, str] | None:
    """Accuracy and what it was measured on; a card speaks of its own input size, with every frame looked at."""
    if case["asked"]["long_side"] is not None or any(
        key.startswith(_OTHERWISE) for key in report.get("settings", {})
    ):
        return None
    told = case["networks"][0].get("accuracy") if len(case["networks"]) == 1 else None
    if not isinstance(told, dict) or not isinstance(told.get("mean_iou"), int | float):
        return None
    return float(told["mean_iou"]), str(told.get("val", "a set that the card does not name"))


def _subject(report: Mapping[str, Any]) -> str:
    height, width = report["source"]["size_hw"] or (0, 0)
    name = Path(str(report["source"]["spec"])).name
    return f"{report['options']['scenario']}, {name}, {width}x{height}"


def _share(share: float) -> str:
    return f"{share * 100:g} %" + {0.5: "  (p50)", 0.1: "  (p90)", 0.01: "  (p99)", 0.001: "  (p99.9)"}.get(share, "")


def _plain_log(axes: Axes, cases: Sequence[Mapping[str, Any]]) -> None:
    """Round milliseconds on the logarithmic axis: 1, 2, 5, 10 ..."""
    edges = [edge for case in cases for edge in case["age_histogram"]["edges_ms"]]
    least, most = min(edges) * 0.9, max(edges) * 1.1
    ticks: list[float] = []
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8), tuple(step / 10 for step in range(10, 100))):
        if len(ticks) < 3:  # a narrow range needs finer ones
            ticks = [step * 10.0**power for power in range(-4, 7) for step in steps]
            ticks = [tick for tick in ticks if least <= tick <= most]
    axes.set_xlim(least, most)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])


@contextmanager
def _drawn(height_in: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure with one quiet pair of axes."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0)
        axes.set_axisbelow(True)
        yield figure, axes
