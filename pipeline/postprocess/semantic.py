"""Semantic segmentation: logits or labels of any layout and stride to one class per source pixel."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config import DecodeConfig
from pipeline.errors import ModelError
from pipeline.letterbox import Letterbox
from pipeline.postprocess import chosen_classes
from pipeline.types import VOID, Card, Inferred, Labels

Layout = Literal["planes", "channels last", "one"]
Cells = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows, columns
TILE = 1 << 16  # pixels settled at once: the running best of a tile stays in the cache


def argmax(logits: NDArray[Any], channels_last: bool = False) -> NDArray[np.uint8]:
    """The index of the largest of the classes at every pixel.

    Args:
        logits: (classes, h, w), or (h, w, classes) with channels_last; any number type, at most 255 classes.

    Returns:
        (h, w) uint8. Of equal ones the first wins; a pixel with a NaN is VOID.

    A running maximum, class by class, tile by tile: reads the logits once, at the speed of memory.
    """
    height, width = logits.shape[:2] if channels_last else logits.shape[1:]
    labels = np.zeros((height, width), np.uint8)
    rows = max(1, TILE // max(1, width))
    kind = np.dtype(np.float32) if logits.dtype == np.float16 else logits.dtype
    best_of = np.empty((rows, width), kind)
    wins_of, index_of = np.empty((rows, width), np.bool_), np.empty((rows, width), np.uint8)
    for top in range(0, height, rows):
        label = labels[top : top + rows]
        best, wins, index = (scratch[: len(label)] for scratch in (best_of, wins_of, index_of))
        tile = logits[top : top + rows] if channels_last else logits[:, top : top + rows]
        tile = _channels_first(tile) if channels_last else tile.astype(kind, copy=False)
        np.copyto(best, tile[0])
        for number, plane in enumerate(tile[1:], 1):
            np.greater(plane, best, out=wins)
            np.maximum(plane, best, out=best)  # keeps a NaN once it has one
            np.multiply(wins.view(np.uint8), np.uint8(number), out=index)
            np.maximum(label, index, out=label)
        if kind.kind == "f" and np.isnan(best.max()):
            label[np.isnan(best)] = VOID
    return labels


def _channels_first(tile: NDArray[Any]) -> NDArray[Any]:
    flat = tile.reshape(-1, tile.shape[-1])
    if flat.dtype in (np.float16, np.float32):
        planes = np.asarray(cv2.transpose(np.ascontiguousarray(flat, np.float32)))  # five times as fast as NumPy's
    else:
        planes = np.ascontiguousarray(flat.T)
    return planes.reshape(-1, *tile.shape[:-1])


class Semantic:
    """One class per source pixel.

    Reads, by shape and type, with c = the number of classes of the card:
        logits  (1, c, h, w) or (1, h, w, c): the largest wins
        labels  (1, h, w), (1, 1, h, w) or (1, h, w, 1) of whole numbers, VOID where they are no class
        binary  the same shapes of floats: class 1 where above 0, else class 0; with one class: it, else VOID;
                above a half where the card says that they are probabilities
    h and w may be any size: the output is a grid over the network's input.

    Raises:
        ModelError: more than 255 classes.
        ConfigError: config.classes names a class that the model does not have.
    """

    def __init__(self, card: Card, config: DecodeConfig) -> None:
        self._card = card
        count = len(card.classes)
        if count > VOID:
            raise ModelError(f"{card.name}: {count} classes, expected at most {VOID}")
        self.chosen = chosen = chosen_classes(card.classes, config.classes)
        self._all = bool(chosen.all())
        self._table = np.full(256, VOID, np.uint8)  # what becomes of a label: classes not asked for are VOID
        self._table[:count] = np.where(chosen, np.arange(count), VOID)
        self._limit = 0.5 if card.outputs and card.outputs[0].probability else 0.0
        self._placed: tuple[Letterbox, tuple[int, int], Cells] | None = None
        for output in card.outputs[:1]:
            if output.shape and None not in output.shape[1:]:
                self._layout(output.shape)

    def decode(self, inferred: Inferred) -> Labels:
        """The class of every source pixel, nearest by pixel centres; outputs behind the first are not read."""
        output = inferred.outputs[0]
        assert isinstance(output, np.ndarray)  # no branch of a semantic network is left for later
        layout = self._layout(output.shape)
        values = output[0]
        if layout == "one" and values.ndim == 3:
            values = values[0] if values.shape[0] == 1 else values[..., 0]
        height, width = values.shape[1:] if layout == "planes" else values.shape[:2]
        rows, columns = self._cells(inferred.prepared.letterbox, (height, width))
        # Without the padding; its columns go last, as whole rows are read half again as fast as parts of them.
        down, across = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        if layout == "planes":
            labels = argmax(values[:, down])[:, across]
        elif layout == "channels last":
            labels = argmax(values[down], channels_last=True)[:, across]
        elif values.dtype.kind == "f":
            labels = self._binary(values[down, across])
        else:
            labels = _labels(values[down, across])
        if not self._all or labels.max() >= len(self._card.classes):
            labels = np.asarray(cv2.LUT(labels, self._table), np.uint8)
        return Labels(_spread(labels, rows - rows[0], columns - columns[0]), self._card.classes)

    def _layout(self, shape: tuple[int | None, ...]) -> Layout:
        count = len(self._card.classes)
        if len(shape) == 4 and count > 1 and shape[1] == count:
            return "planes"
        if len(shape) == 4 and count > 1 and shape[3] == count:
            return "channels last"
        if len(shape) == 3 or (len(shape) == 4 and 1 in (shape[1], shape[3])):
            return "one"
        raise ModelError(
            f"{self._card.name}: an output of shape {shape} does not fit {count} classes; expected "
            f"(1, {count}, h, w), (1, h, w, {count}) or labels (1, h, w)",
            hint="check that the card lists the classes the model was trained on",
        )

    def _binary(self, logits: NDArray[Any]) -> NDArray[np.uint8]:
        count = len(self._card.classes)
        if count > 2:
            raise ModelError(
                f"{self._card.name}: one channel of {logits.dtype} tells two classes apart, the card lists {count}",
                hint="list one or two classes in the card; where they are labels, export them as whole numbers",
            )
        labels = np.where(logits > self._limit, *((1, 0) if count == 2 else (0, VOID))).astype(np.uint8)
        labels[np.isnan(logits)] = VOID
        return labels

    def _cells(self, letterbox: Letterbox, grid_hw: tuple[int, int]) -> Cells:
        placed = self._placed
        if placed is None or placed[:2] != (letterbox, grid_hw):
            placed = self._placed = letterbox, grid_hw, letterbox.cells(grid_hw)
        return placed[2]


def _labels(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Whole numbers as uint8; VOID where they do not fit."""
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "b" and (values.min() < 0 or values.max() > VOID):
        fits = (values >= 0) & (values < VOID)
        return np.where(fits, values.astype(np.uint8), np.uint8(VOID))
    return values.astype(np.uint8)


def _spread(labels: NDArray[np.uint8], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.uint8]:
    """labels[rows][:, columns] as new memory. Whole rows are copied, of the turned picture for the columns:
    half the time of cv2.resize, and exact."""
    if not np.array_equal(columns, np.arange(labels.shape[1])):
        turned = np.asarray(cv2.transpose(labels), np.uint8).take(columns, 0)
        labels = np.asarray(cv2.transpose(turned), np.uint8)
    return labels.take(rows, 0)
