"""COCO's run lengths: a mask as counts of zeros and ones in turn, column by column, packed into text.

The same bytes as pycocotools' (rleEncode and rleToString in cocoapi/common/maskApi.c), without a
Python loop over runs and without ever building a mask at frame size.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pipeline.types import Instances

Ints = NDArray[np.int64]


def encode_crop(mask: NDArray[Any], at_xy: tuple[int, int], frame_hw: tuple[int, int]) -> str:
    """The counts of a mask that lies inside a frame.

    Args:
        mask: (h, w) bool, or uint8 with 0 outside and 255 (or 1) inside; may be empty.
        at_xy: the crop's left and top column and row in the frame, pixels.
        frame_hw: the frame's height and width, pixels.

    Raises:
        ValueError: the crop does not lie inside the frame.
    """
    return _text(_frame_counts(mask, at_xy, frame_hw))


def encode_instances(instances: Instances, frame_hw: tuple[int, int]) -> list[str]:
    """The counts of every object's mask."""
    corners = instances.crops_px[:, :2].tolist()
    return [encode_crop(instances.mask(i), (x, y), frame_hw) for i, (x, y) in enumerate(corners)]


def encode_labels(labels: NDArray[np.uint8], n_classes: int) -> dict[int, str]:
    """The counts of every class that is in a label map, in one pass.

    Args:
        labels: (h, w) uint8; values of n_classes and above (void) belong to no class.
        n_classes: how many classes there are.

    Returns:
        class id -> counts, in the order of the ids; classes without a pixel are left out.
    """
    if labels.size == 0:
        return {}
    flat = cv2.transpose(labels).reshape(-1)  # column-major, contiguous
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    values = flat[starts]
    order = np.argsort(values, kind="stable")  # all runs of a class together, still from left to right
    ends = np.concatenate([starts[1:], [flat.size]])
    # One row per run of a class: where it begins and where it ends. Two runs of a class never touch.
    edges = np.stack([starts[order], ends[order]], axis=1).reshape(-1)
    first = np.searchsorted(values[order], np.arange(n_classes + 1)).tolist()
    return {
        class_id: _text(_counts(edges[2 * begin : 2 * end], flat.size))
        for class_id, (begin, end) in enumerate(pairwise(first))
        if begin < end
    }


def decode(counts: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask at frame size, (h, w) bool; new memory.

    Raises:
        ValueError: the text is no run lengths, or they do not fill the frame.
    """
    height, width = size
    runs = _runs(counts, height * width)
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T


def decode_crop(counts: str, size: tuple[int, int]) -> tuple[NDArray[np.uint8], tuple[int, int, int, int]]:
    """The mask inside the smallest crop that holds it, and that crop.

    Returns:
        mask (y1 - y0, x1 - x0) uint8, 255 inside, and (x0, y0, x1, y1); all 0 for an empty mask.

    Raises:
        ValueError: as for decode.
    """
    return runs_crop(_runs(counts, size[0] * size[1]), size)


def runs_crop(runs: Ints, size: tuple[int, int]) -> tuple[NDArray[np.uint8], tuple[int, int, int, int]]:
    """As decode_crop, from run lengths that are numbers: COCO's uncompressed form.

    Raises:
        ValueError: they are negative or do not fill the frame.
    """
    height, width = size
    runs = np.asarray(runs, np.int64)
    if runs.min(initial=0) < 0 or int(runs.sum()) != height * width:
        raise ValueError(f"run lengths do not fill {height * width} pixels")
    edges = np.cumsum(runs)
    begins, ends = edges[:-1:2], edges[1::2]  # of the runs of ones; an odd run at the end is of zeros
    held = begins[: len(ends)] < ends
    begins, ends = begins[: len(ends)][held], ends[held]
    if not len(begins):
        return np.zeros((0, 0), np.uint8), (0, 0, 0, 0)
    x0, x1 = int(begins[0]) // height, (int(ends[-1]) - 1) // height + 1
    columns = np.zeros((x1 - x0) * height + 1, np.int8)  # +1 where ones begin, -1 where they end
    columns[begins - x0 * height] = 1
    columns[ends - x0 * height] -= 1
    whole = np.cumsum(columns[:-1], dtype=np.int8).reshape(x1 - x0, height).T
    rows = np.flatnonzero(whole.any(axis=1))
    y0, y1 = int(rows[0]), int(rows[-1]) + 1
    return np.ascontiguousarray(whole[y0:y1]).view(np.uint8) * np.uint8(255), (x0, y0, x1, y1)


def _frame_counts(mask: NDArray[Any], at_xy: tuple[int, int], frame_hw: tuple[int, int]) -> Ints:
    height, width = mask.shape
    (x0, y0), (frame_height, frame_width) = at_xy, frame_hw
    if min(x0, y0) < 0 or x0 + width > frame_width or y0 + height > frame_height:
        raise ValueError(f"a crop of {width}x{height} at ({x0}, {y0}) is not inside {frame_width}x{frame_height}")
    # Every column gets a zero before and after it, so that no run goes on into the next one.
    columns = np.zeros((width, height + 2), np.uint8)
    if mask.size:
        cv2.transpose(mask.view(np.uint8), dst=columns[:, 1:-1])
    flat = columns.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    edges += (edges // (height + 2)) * (frame_height - height - 2) + (x0 * frame_height + y0)
    if height == frame_height:
        # A run that reaches the bottom and one that begins at the top of the next column are one run.
        joined = np.flatnonzero(edges[1:] == edges[:-1])
        edges = np.delete(edges, np.concatenate([joined, joined + 1]))
    return _counts(edges, frame_height * frame_width)


def _counts(edges: Ints, pixels: int) -> Ints:
    """Run lengths from the begins and ends of the runs of ones in turn; no run of no zeros at the end."""
    counts = np.empty(len(edges) + 1, np.int64)
    counts[:-1] = edges
    counts[-1] = pixels
    counts[1:] -= edges
    return counts[:-1] if len(edges) and counts[-1] == 0 else counts


def _text(counts: Ints) -> str:
    """Counts as text: differences to the count before last, five bits a character, lowest first."""
    deltas = counts.copy()
    deltas[3:] -= counts[1:-2]  # the first three are written as they are
    places = deltas + _NEAR
    far = np.flatnonzero((places < 0) | (places >= 2 * _NEAR))
    words = _words().take(places, mode="clip")
    for i in far.tolist():  # few: all counts together are the pixels of the frame
        words[i] = int.from_bytes(_characters(int(deltas[i])), "little")
    return words.tobytes().translate(None, b"\0").decode("ascii")


_NEAR = 1 << 11  # differences below this, either way, are looked up


@cache
def _words() -> NDArray[np.uint64]:
    """The characters of every near difference as eight bytes, with zeros behind."""
    near = [_characters(delta) for delta in range(-_NEAR, _NEAR)]
    return np.array([int.from_bytes(text, "little") for text in near], "<u8")


def _characters(delta: int) -> bytes:
    text = bytearray()
    while True:
        low, delta = delta & 31, delta >> 5
        if delta == (-1 if low & 16 else 0):  # the rest is nothing but the sign
            text.append(low + 48)
            return bytes(text)
        text.append(low + 32 + 48)


def _runs(counts: str, pixels: int) -> Ints:
    try:
        codes = np.frombuffer(counts.encode("ascii"), np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        raise ValueError("run lengths hold a character that is none of theirs") from None
    if len(codes) == 0 or codes.min() < 0 or codes.max() > 63:
        raise ValueError("run lengths are empty or hold a character that is none of theirs")
    last = (codes & 32) == 0
    ends = np.flatnonzero(last)
    if not last[-1]:
        raise ValueError("run lengths break off in the middle of a number")
    begins = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - begins + 1
    if lengths.max() > 7:  # COCO counts in 32 bits
        raise ValueError("run lengths hold a number that is too long")
    places = np.arange(len(codes)) - np.repeat(begins, lengths)
    values = np.add.reduceat((codes & 31) << (5 * places), begins)
    negative = (codes[ends] & 16) != 0
    values = np.where(negative, values - (np.int64(1) << (5 * lengths)), values)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    if values.min() < 0 or int(values.sum()) != pixels:
        raise ValueError(f"run lengths do not fill {pixels} pixels")
    return values
