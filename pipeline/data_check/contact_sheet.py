"""Small pictures of labelled images on one sheet: labels blended, objects outlined, names under them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.classes import spread_colours
from pipeline.datasets import Sample
from pipeline.render.text import Font
from pipeline.types import VOID, Classes

THUMBNAILS = 12
_WIDTH_PX, _HEIGHT_PX, _CAPTION_PX, _GAP_PX = 400, 300, 20, 6
_COLUMNS = 4
_PAPER, _INK = (245, 245, 245), (30, 30, 30)
_TITLE_SIZE_PX, _SIZE_PX = 18, 13
_BY_NUMBER = 1  # so many object classes at most: objects have a colour each, else their class has

Picture = NDArray[np.uint8]


def thumbnail(sample: Sample, classes: Classes) -> Picture:
    """An image at thumbnail size with what is marked on it and its name, (h, _WIDTH_PX, 3) BGR."""
    height, width = sample.labels.shape
    scale = min(_WIDTH_PX / width, _HEIGHT_PX / height)
    size_wh = (max(round(width * scale), 1), max(round(height * scale), 1))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = np.asarray(cv2.resize(sample.image, size_wh, interpolation=interpolation), np.uint8)
    labels = np.asarray(cv2.resize(sample.labels, size_wh, interpolation=cv2.INTER_NEAREST), np.uint8)
    table = np.zeros((256, 3), np.uint8)
    table[: len(classes)] = [colour[::-1] for colour in classes.colours] or np.zeros((0, 3))
    said = labels != VOID
    blended = cv2.addWeighted(small, 0.45, table[labels], 0.55, 0)
    small[said] = blended[said]
    if sample.objects is not None:
        _outline(small, sample, scale)
    card = np.full((size_wh[1] + _CAPTION_PX, _WIDTH_PX, 3), _PAPER, np.uint8)
    left = (_WIDTH_PX - size_wh[0]) // 2
    card[: size_wh[1], left : left + size_wh[0]] = small
    font = Font(_SIZE_PX)
    _write(card, font, _caption(sample, font), 0, size_wh[1] + 1)
    return card


def _caption(sample: Sample, font: Font) -> str:
    """Name and number of objects; of a name too long for the card its end, which tells it from others."""
    count = None if sample.objects is None else len(sample.objects)
    objects = "" if count is None else f"  ({count} object{'s' * (count != 1)})"
    name = sample.name
    while font.line(name + objects)[0].shape[1] > _WIDTH_PX and len(name) > 4:
        name = f"...{name[4:] if name.startswith('...') else name[3:]}"
    return name + objects


def _outline(small: Picture, sample: Sample, scale: float) -> None:
    objects = sample.objects
    assert objects is not None
    instances = objects.instances
    by_number = len(instances.classes) <= _BY_NUMBER
    colours = spread_colours(len(instances)) if by_number else instances.classes.colours
    for row in range(len(instances)):
        class_id = row if by_number else int(instances.class_ids[row])
        colour = (255, 255, 255) if class_id < 0 else colours[class_id][::-1]
        x0, y0, x1, y1 = instances.crops_px[row].tolist()
        if x1 <= x0:  # a box without a mask
            corners = (instances.boxes_xyxy[row] * scale).round().astype(int).tolist()
            cv2.rectangle(small, (corners[0], corners[1]), (corners[2], corners[3]), colour, 1)
            continue
        left, top = int(x0 * scale), int(y0 * scale)
        size_wh = (max(round((x1 - x0) * scale), 1), max(round((y1 - y0) * scale), 1))
        mask = np.asarray(cv2.resize(instances.mask(row), size_wh, interpolation=cv2.INTER_NEAREST), np.uint8)
        here = small[top : top + size_wh[1], left : left + size_wh[0]]
        inside = mask[: here.shape[0], : here.shape[1]] != 0
        here[inside] = (here[inside] * 0.5 + np.array(colour) * 0.5).astype(np.uint8)
        edges = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
        line = (90, 90, 90) if objects.ignore[row] or objects.crowd[row] else colour
        cv2.drawContours(small, edges, -1, line, 1, offset=(left, top))


def contact_sheet(title: str, thumbnails: Sequence[Picture], tables: Sequence[Classes]) -> Picture:
    """Thumbnails in rows of four under a title, with the colours of the classes below, (h, w, 3) BGR.

    Args:
        title: one line.
        thumbnails: of `thumbnail`.
        tables: classes whose colours are shown, each name once.
    """
    width = _COLUMNS * (_WIDTH_PX + _GAP_PX) + _GAP_PX
    rows = [thumbnails[first : first + _COLUMNS] for first in range(0, len(thumbnails), _COLUMNS)]
    heights = [max(card.shape[0] for card in row) + _GAP_PX for row in rows]
    legend = _legend(tables, width)
    y = 32
    sheet = np.full((y + sum(heights) + legend.shape[0], width, 3), _PAPER, np.uint8)
    _write(sheet, Font(_TITLE_SIZE_PX), title, 2, 4)
    for row, height in zip(rows, heights, strict=True):
        for column, card in enumerate(row):
            x = _GAP_PX + column * (_WIDTH_PX + _GAP_PX)
            sheet[y : y + card.shape[0], x : x + card.shape[1]] = card
        y += height
    sheet[sheet.shape[0] - legend.shape[0] :] = legend
    return sheet


def _legend(tables: Sequence[Classes], width: int) -> Picture:
    shown = {name: colour for table in tables for name, colour in zip(table.names, table.colours, strict=True)}
    font = Font(_SIZE_PX)
    places: list[tuple[str, tuple[int, int, int], int, int]] = []
    x, y = _GAP_PX, 8
    for name, colour in shown.items():
        needed = font.line(name)[0].shape[1] + 24
        if x + needed > width:
            x, y = _GAP_PX, y + 22
        places.append((name, colour, x, y))
        x += needed
    legend = np.full((y + 28 if shown else 0, width, 3), _PAPER, np.uint8)
    for name, colour, x, y in places:
        cv2.rectangle(legend, (x, y), (x + 14, y + 14), colour[::-1], -1)
        cv2.rectangle(legend, (x, y), (x + 14, y + 14), _INK, 1)
        _write(legend, font, name, x + 15, y - 2)
    return legend


def _write(picture: Picture, font: Font, text: str, x: int, y: int) -> None:
    """Put a line of text with its upper left corner there, as far as there is room."""
    cover = font.line(text)[0][: picture.shape[0] - y, : picture.shape[1] - x, None] / np.float32(255)
    here = picture[y : y + cover.shape[0], x : x + cover.shape[1]]
    here[:] = (here + (np.array(_INK, np.float32) - here) * cover).round().astype(np.uint8)
