"""Boxes and names of instances, placed so that names do not cover each other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipeline.render.canvas import Box, Canvas
from pipeline.render.colours import ink_on, object_colours
from pipeline.render.text import Coverage, Font
from pipeline.types import Instances

_CELL_PX = 4  # names are kept apart on a grid of such cells
Place = tuple[int, int]  # x, y of the top left corner


class TagPainter:
    """Draws boxes and names.

    Args:
        font: of the names.
        line_px: width of a box's line; 0: no boxes.
        names, scores: what a tag says; neither: no tags. A name has the object's number behind it, where it has one.
            A name wider than half of the picture is shortened, so that number and score stay.
        by_track: objects with a number have a colour of their own.
    """

    def __init__(self, font: Font, line_px: int, names: bool, scores: bool, by_track: bool = False) -> None:
        self._font, self._line_px, self._names, self._scores = font, line_px, names, scores
        self._by_track = by_track

    def paint(self, canvas: Canvas, found: Instances, reserved: Iterable[Box] = ()) -> None:
        """Draw all. The best score is on top and chooses the place of its name first.

        Args:
            canvas: drawn on.
            found: objects, best score first.
            reserved: places where no name may be.
        """
        names = found.classes.names
        boxes = [_even_box(box, canvas.size_hw) for box in np.rint(found.boxes_xyxy).astype(int).tolist()]
        colours = object_colours(found, self._by_track)
        numbers = [0] * len(found) if found.track_ids is None else found.track_ids.tolist()
        if self._line_px:
            for box, rgb in zip(reversed(boxes), reversed(colours), strict=True):
                canvas.outline(box, self._line_px, rgb)
        if not (self._names or self._scores):
            return
        places, most_px = Places(canvas.size_hw, boxes, reserved), canvas.size_hw[1] // 2
        for box, rgb, class_id, number, score in zip(
            boxes, colours, found.class_ids.tolist(), numbers, found.scores.tolist(), strict=True
        ):
            name = self._font.shortened(names[class_id], most_px)
            text = self._text(f"{name} {number}" if number else name, score)
            place = places.take(box, text[0].shape[1], text[0].shape[0])
            if place is not None:  # else its colour still says what it is
                canvas.write(*place, text, ink_on(rgb), rgb)

    def _text(self, name: str, score: float) -> Coverage:
        if not self._scores:
            return self._font.line(name)
        return self._font.line(f"{name} {score:.2f}" if self._names else f"{score:.2f}")


class Places:
    """Where names may be, on a grid of cells."""

    def __init__(self, size_hw: tuple[int, int], boxes: Iterable[Box], reserved: Iterable[Box]) -> None:
        self._size_hw = size_hw
        height, width = size_hw
        self._named = np.zeros((height // _CELL_PX + 1, width // _CELL_PX + 1), np.bool_)
        self._busy = np.zeros_like(self._named)  # by objects
        for x0, y0, x1, y1 in boxes:  # only cells that lie inside, so that a name may touch its own box
            self._busy[-(-y0 // _CELL_PX) : y1 // _CELL_PX, -(-x0 // _CELL_PX) : x1 // _CELL_PX] = True
        for box in reserved:
            self._named[_cells(box)] = True

    def take(self, box: Box, tag_w: int, tag_h: int) -> Place | None:
        """Above or below the box where that covers no object, else inside it where it is large enough.

        Else above or below it over another object; None where other names are in the way everywhere.
        """
        height, width = self._size_hw
        x0, y0, x1, y1 = box
        left = max(0, min(x0, width - tag_w) & ~1)
        right = max(0, min(x1, width) - tag_w & ~1)
        outside = [(left, y0 - tag_h), (right, y0 - tag_h), (left, y1), (right, y1)]
        places = [(x, y, True) for x, y in outside]
        if y1 - y0 >= 3 * tag_h and x1 - x0 >= tag_w:
            places.append((left, y0, False))
        places += [(x, y, False) for x, y in outside]
        for x, y, free in places:
            if 0 <= y <= height - tag_h:
                cells = _cells((x, y, x + tag_w, y + tag_h))
                if not self._named[cells].any() and not (free and self._busy[cells].any()):
                    self._named[cells] = True
                    return x, y
        return None


def _cells(box: Box) -> tuple[slice, slice]:
    x0, y0, x1, y1 = box
    return slice(y0 // _CELL_PX, -(-y1 // _CELL_PX)), slice(x0 // _CELL_PX, -(-x1 // _CELL_PX))


def _even_box(box: list[int], size_hw: tuple[int, int]) -> Box:
    """The nearest box with even edges inside the picture, at least 2 px wide and high."""
    height, width = size_hw
    x0, y0 = min(box[0] & ~1, (width - 1) & ~1), min(box[1] & ~1, (height - 1) & ~1)
    x1, y1 = min((box[2] + 1) & ~1, width), min((box[3] + 1) & ~1, height)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)
