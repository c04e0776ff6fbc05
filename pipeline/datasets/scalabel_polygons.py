"""Scalabel's polygons as masks, exactly as Scalabel draws them: with matplotlib, without smooth edges.

scalabel/label/transforms.py, poly_to_patch and frame_to_masks: all objects of a frame are drawn one behind the other
into one picture, so that a later one covers an earlier one. Vertices of type C are those of Bezier curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError

if TYPE_CHECKING:
    from matplotlib.patches import PathPatch

_DPI = 100


class Outline:
    """A polygon or a line of Scalabel.

    Args:
        vertices: x, y, pixels.
        types: a letter for each, L or C; empty: all L.
        closed: filled, else a line of one point.
    """

    __slots__ = ("closed", "types", "vertices")

    def __init__(self, vertices: Sequence[tuple[float, float]], types: str, closed: bool) -> None:
        self.vertices, self.types, self.closed = vertices, types or "L" * len(vertices), closed


def draw(objects: Sequence[Sequence[Outline]], size_hw: tuple[int, int]) -> NDArray[np.int32]:
    """A map (h, w) of which object is on top: its place in `objects` from 1, 0 where there is none; new memory.

    Raises:
        DataError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise DataError(
            "Scalabel's polygons are drawn by matplotlib, which is not installed",
            hint="pip install matplotlib, or read bitmasks or run lengths",
        ) from None
    height, width = size_hw
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="0")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_facecolor((0, 0, 0, 0))
    axes.invert_yaxis()
    for number, outlines in enumerate(objects, 1):
        colour = ((number >> 16) / 255, (number >> 8 & 255) / 255, (number & 255) / 255)
        for outline in outlines:
            axes.add_patch(_patch(outline, colour))
    canvas.draw()  # type: ignore[no-untyped-call]
    picture = np.asarray(canvas.buffer_rgba()).astype(np.int32)  # type: ignore[no-untyped-call]
    return (picture[..., 0] << 16) + (picture[..., 1] << 8) + picture[..., 2]


def _patch(outline: Outline, colour: tuple[float, float, float]) -> PathPatch:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    points = [tuple(vertex) for vertex in outline.vertices]
    codes = [Path.LINETO if kind == "L" else Path.CURVE4 for kind in outline.types]
    codes[0] = Path.MOVETO
    if outline.closed:
        points.append(points[0])
        codes.append(Path.LINETO)
    return PathPatch(
        Path(points, codes),
        facecolor=colour if outline.closed else "none",
        edgecolor=colour,
        lw=0 if outline.closed else 1,
        alpha=1,
        antialiased=False,
        snap=True,
    )
