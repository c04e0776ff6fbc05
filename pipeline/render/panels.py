"""What is written beside the objects: the legend and the status line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from pipeline.render.canvas import Box, Canvas
from pipeline.render.colours import DARK, Rgb, legible
from pipeline.render.labels import classes_seen
from pipeline.render.text import Coverage, Font
from pipeline.types import Classes, Scene

_INK: Rgb = (236, 238, 240)
_OPACITY = 0.68
_HOLD_S = 1.0  # a class stays in the legend for so long after it was last seen, so that it does not flicker

STATUS_GAP = "   "  # between the parts of a status line: it is broken there

Entry = tuple[str, Rgb]
Row = tuple[str, Rgb | None]  # without a colour: words alone
Column = tuple[Box, Sequence[Row], Coverage]


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

    def legend_columns(self, entries: list[Entry]) -> list[Column]:
        """The columns of the legend: place, rows and text; several take half of the picture's width at most.

        Where classes find no room, the last row says how many.
        """
        rows = (self._height - 3 * self._margin_px - 3 * self._font.line_px) // self._font.line_px
        if rows < 1:
            return []
        most_px = self._width // 2 - 2 * self._margin_px
        named = [(self._font.shortened(name, most_px), rgb) for name, rgb in entries]
        x, columns = self._margin_px, list[Column]()
        for first in range(0, len(named), rows):
            column = self._column(x, named[first : first + rows])
            right = column[0][2]
            if right > self._width - self._margin_px or (columns and right > self._width // 2):
                break
            columns.append(column)
            x = right
        shown = sum(len(column) for _, column, _ in columns)
        if columns and shown < len(named):
            (left, _, _, _), kept, _ = columns.pop()
            columns.append(self._column(left, [*kept[:-1], (f"+ {len(named) - shown + 1} more", None)]))
        return columns

    def _column(self, x: int, rows: Sequence[Row]) -> Column:
        text = self._font.block(tuple(name for name, _ in rows), self._swatch_px * 2 + 4)
        height, width = text[0].shape
        return (x, self._margin_px, x + width, self._margin_px + height), rows, text

    def draw_legend(self, canvas: Canvas, columns: list[Column]) -> None:
        """Draw what legend_columns gave."""
        line, swatch = self._font.line_px, self._swatch_px
        for (x, y, _, _), rows, text in columns:
            canvas.write(x, y, text, _INK, DARK, _OPACITY)
            top = y + (text[0].shape[0] - len(rows) * line) // 2 + (line - swatch) // 2 & ~1
            left = x + swatch // 2 + 2 & ~1
            for row, (_, rgb) in enumerate(rows):
                if rgb is not None:
                    canvas.fill((left, top + row * line, left + swatch, top + row * line + swatch), rgb)

    def status_box(self, text: str) -> Box:
        """Where the status line lies: at the lower left, cut at the picture's edge."""
        height, width = self._status(text)[0].shape
        x = self._margin_px
        y = max(0, self._height - self._margin_px - height) & ~1
        return x, y, min(x + width, self._width), y + height

    def draw_status(self, canvas: Canvas, text: str) -> None:
        """Draw the status line; in several where the picture is too narrow for it."""
        x, y, _, _ = self.status_box(text)
        canvas.write(x, y, self._status(text), _INK, DARK, _OPACITY)

    def _status(self, text: str) -> Coverage:
        whole, room = self._font.line(text), self._width - 2 * self._margin_px
        if whole[0].shape[1] <= room:
            return whole
        lines: list[str] = []
        for part in text.split(STATUS_GAP):
            longer = f"{lines[-1]}{STATUS_GAP}{part}" if lines else part
            if lines and self._font.line(longer)[0].shape[1] <= room:
                lines[-1] = longer
            else:
                lines.append(part)
        return self._font.block(tuple(lines), 0)
