"""The charts of an evaluation, as SVG. Heavy: matplotlib is imported where it draws."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _QUIET, _GRID = "#1f2933", "#616e7c", "#e4e7eb"
_FIRST, _SECOND = "#2563a8", "#9cc3e6"
_WIDTH_IN = 10.0
_NUMBERED = 32  # so many classes leave room for numbers in the squares
_FEW = 14  # so many curves can be told apart; the others are grey
_STYLE: Any = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _QUIET,
    "text.color": _INK,
    "xtick.color": _QUIET,
    "ytick.color": _INK,
    "text.parse_math": False,  # a $ in a name is a $
    "svg.fonttype": "path",  # the page looks the same where the font is not installed
    "svg.hashsalt": "dashmask",  # the same figures give the same bytes
}


def bars(rows: Sequence[tuple[str, Sequence[float | None]]], series: Sequence[str]) -> str:
    """Horizontal bars, the best class at the top.

    Args:
        rows: a name and a share 0..1 for each series; None: nothing to measure, no bar.
        series: what the shares are, one or two; classes are ordered by the first.
    """
    ordered = sorted(rows, key=lambda row: -1.0 if row[1][0] is None else row[1][0])
    with _drawn(_WIDTH_IN, 1.0 + 0.3 * len(rows)) as (figure, axes):
        places = np.arange(len(ordered))
        height = 0.74 / len(series)
        for number, (name, colour) in enumerate(zip(series, (_FIRST, _SECOND), strict=False)):
            shares = [(row[1][number] or 0.0) * 100 for row in ordered]
            shift = (len(series) - 1) / 2 - number
            axes.barh(places + shift * height, shares, height * 0.94, color=colour, label=name)
            if number == 0:
                for place, share in zip(places, shares, strict=True):
                    axes.text(share + 0.8, place + shift * height, f"{share:.1f}", va="center", fontsize=8.5)
        axes.set_yticks(places, [_short(row[0], 40) for row in ordered])
        axes.set_xlim(0, 106)
        axes.set_ylim(-0.6, len(ordered) - 0.4)
        axes.set_xlabel("%")
        axes.grid(axis="x", color=_GRID, linewidth=0.7)
        if len(series) > 1:
            figure.legend(loc="outside upper right", ncols=2, frameon=False)
        return _svg(figure)


def confusion(names: Sequence[str], counts: Sequence[Sequence[int]], nothing: str) -> str:
    """What each class of the truth was taken for, in percent of its pixels; a row for each class that is in truth.

    Args:
        names: of the n classes.
        counts: (n, n + 1); the last column holds pixels that got no class.
        nothing: what that column is called.
    """
    table = np.array(counts, np.float64)
    rows = np.flatnonzero(table.sum(1) > 0)
    columns = np.flatnonzero((table[rows].sum(0) > 0) | np.isin(np.arange(table.shape[1]), rows))
    shares = table[np.ix_(rows, columns)] / table[rows].sum(1, keepdims=True) * 100
    labels = [_short(name, 24) for name in (*names, nothing)]
    many = max(len(rows), len(columns), 1)
    side = min(_WIDTH_IN - 0.4, 1.8 + 0.36 * many)
    font = min(10.0, 400 / many)
    with _drawn(side + 0.4, side) as (figure, axes):
        axes.tick_params(labelsize=font)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="equal")
        axes.set_xticks(
            range(len(columns)), [labels[i] for i in columns], rotation=55, ha="right", rotation_mode="anchor"
        )
        axes.set_yticks(range(len(rows)), [labels[i] for i in rows])
        axes.set_xlabel("found")
        axes.set_ylabel("truth")
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.5 and many <= _NUMBERED:
                colour = "white" if share > 55 else _INK
                axes.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=font * 0.8, color=colour)
        return _svg(figure)


def precision_recall(curves: Mapping[str, Any], order: Sequence[str]) -> str:
    """Precision over recall at IoU 0.5, a curve for each class and their mean.

    Args:
        curves: `precision_recall` of an evaluation's report.
        order: of the classes; the first are drawn in colours of their own.
    """
    import matplotlib

    recall = np.array(curves["recall"])
    with _drawn(_WIDTH_IN, 4.6) as (figure, axes):
        colours = matplotlib.colormaps["tab20"](range(20))
        for number, name in reversed(list(enumerate(order))):
            few = number < _FEW
            axes.plot(
                recall,
                curves["classes"][name]["precision"],
                color=colours[number * 2 % 20 + number // 10] if few else _GRID,
                linewidth=1.1,
                label=_said(name) if few else None,
                zorder=2 if few else 1,
            )
        mean = np.mean([curves["classes"][name]["precision"] for name in order], axis=0)
        axes.plot(recall, mean, color=_INK, linewidth=2.4, label=f"mean of {len(order)}", zorder=3)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        axes.grid(color=_GRID, linewidth=0.7)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        return _svg(figure)


def _short(name: str, most: int) -> str:
    """A name beside an axis: so many letters at most; the tables have it in full."""
    return name if len(name) <= most else f"{name[: most - 3].rstrip()}..."


def _said(name: str) -> str:
    """A name in a legend: matplotlib leaves out those that begin with an underscore."""
    return " " * name.startswith("_") + _short(name, 32)


class _drawn:  # noqa: N801  # reads as a word where it is used
    """A figure with one quiet pair of axes, in the page's style."""

    def __init__(self, width_in: float, height_in: float) -> None:
        self._size = width_in, height_in

    def __enter__(self) -> tuple[Figure, Axes]:
        import matplotlib
        from matplotlib.figure import Figure

        self._style: Any = matplotlib.rc_context(_STYLE)
        self._style.__enter__()
        figure = Figure(figsize=self._size, layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0)
        axes.set_axisbelow(True)
        return figure, axes

    def __exit__(self, *error: Any) -> None:
        self._style.__exit__(*error)


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return out.getvalue()
