"""What is written beside the objects: the legend and the status line."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pipeline.render.canvas import Box, Canvas
from pipeline.render.colours import DARK, Rgb, legible
from pipeline.render.labels import classes_seen
from pipeline.render.text import Coverage, Font
from pipeline.types import Classes, Scene

_INK: Rgb = (236, 238, 240)
_OPACITY = 0.68
_HOLD_S = 1.0  # a class stays in the legend for so long after it was last seen, so that it does not flicker

Entry = tuple[str, Rgb]


class Legend:
    """Which classes are in the picture: of the labels first, then of the instances, each in the model's order.

    Args:
        by_track: objects with a number have a colour of their own, which is none of the legend's.
    """

    def __init__(self, by_track: bool = False) -> None:
        self._by_track = by_track
        self._seen: dict[tuple[int, int, str, Rgb], float] = {}  # rank and entry -> pts_s when last seen
        self._now_s = float("-inf")

    def update(self, scene: Scene, hidden: Collection[str] = ()) -> list[Entry]:
        """The entries for a scene: what is in it and what was there less than _HOLD_S ago, each once.

        Where two networks draw one name in two colours, it is there with each.

        Args:
            scene: as it is drawn.
            hidden: classes that leave the legend at once.
        """
        now_s = scene.frame.pts_s
        if now_s < self._now_s:  # the source began again
            self._seen.clear()
        self._now_s = now_s
        found: list[tuple[int, Classes, Iterable[int]]] = []
        if scene.labels is not None:
            found.append((0, scene.labels.classes, classes_seen(scene.labels)))
        if scene.instances is not None:
            ids = scene.instances.class_ids
            if self._by_track and scene.instances.track_ids is not None:
                ids = ids[scene.instances.track_ids == 0]
            found.append((1, scene.instances.classes, set(ids.tolist())))
        for group, classes, seen in found:
            for i in seen:
                self._seen[group, i, classes.names[i], classes.colours[i]] = now_s
        self._seen = {key: at_s for key, at_s in self._seen.items() if now_s - at_s <= _HOLD_S}
        shown = ((name, legible(rgb)) for _, _, name, rgb in sorted(self._seen) if name not in hidden)
        return list(dict.fromkeys(shown))


class Panels:
    """Draws the legend at the upper left and the status line at the lower left, on darkened panels.

    Args:
        font: of both.
        size_hw: of the pictures.
    """

    def __init__(self, font: Font, size_hw: tuple[int, int]) -> None:
        self._font = font
        self._height, self._width = size_hw
        self._margin_px = 2 * max(2, min(size_hw) // 100)
        self._swatch_px = 2 * round(font.size_px * 0.4)

    def legend_columns(self, entries: list[Entry]) -> list[tuple[Box, list[Entry], Coverage]]:
        """The columns of the legend: place, entries and text; fewer where the picture is too small."""
        margin, line = self._margin_px, self._font.line_px
        rows = (self._height - 3 * margin - 3 * line) // line
        x, columns = margin, []
        for first in range(0, len(entries), max(1, rows)):
            column = entries[first : first + rows]
            if rows < 1:
                break
            text = self._font.block(tuple(name for name, _ in column), self._swatch_px * 2 + 4)
            height, width = text[0].shape
            if x + width > self._width - margin:
                break
            columns.append(((x, margin, x + width, margin + height), column, text))
            x += width
        return columns

    def draw_legend(self, canvas: Canvas, columns: list[tuple[Box, list[Entry], Coverage]]) -> None:
        """Draw what legend_columns gave."""
        line, swatch = self._font.line_px, self._swatch_px
        for (x, y, _, _), column, text in columns:
            canvas.write(x, y, text, _INK, DARK, _OPACITY)
            top = y + (text[0].shape[0] - len(column) * line) // 2 + (line - swatch) // 2 & ~1
            left = x + swatch // 2 + 2 & ~1
            for row, (_, rgb) in enumerate(column):
                canvas.fill((left, top + row * line, left + swatch, top + row * line + swatch), rgb)

    def status_box(self, text: str) -> Box:
        """Where the status line lies: at the lower left, cut at the picture's edge."""
        height, width = self._font.line(text)[0].shape
        x = self._margin_px
        y = max(0, self._height - self._margin_px - height) & ~1
        return x, y, min(x + width, self._width), y + height

    def draw_status(self, canvas: Canvas, text: str) -> None:
        """Draw the status line."""
        x, y, _, _ = self.status_box(text)
        canvas.write(x, y, self._font.line(text), _INK, DARK, _OPACITY)
