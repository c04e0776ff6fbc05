"""What each kernel takes: the structs of the .cu files, laid out alike; tests compare the place of every field.

What a field means, and the shape of what an address points to, is said in the .cu file.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from ctypes import c_float, c_int, c_longlong, c_void_p
from typing import TypeVar

import numpy as np

TAP = np.dtype([("first", "<i4"), ("second", "<i4"), ("near_weight", "<i2"), ("far_weight", "<i2")])
AXIS_TAP = np.dtype([("first", "<i4"), ("weight", "<f4", (3,))])
COUNTS = np.dtype(
    [
        ("candidates", "<i4"),
        ("kept", "<i4"),
        ("instances", "<i4"),
        ("overflow", "<i4"),
        ("cells", "<i8"),
        ("mask_bytes", "<i8"),
    ]
)
MOST_KEPT = 1024  # objects of an image at most


def _all(kind: type, names: str) -> tuple[tuple[str, type], ...]:
    return tuple((name, kind) for name in names.split())


class Plane(ctypes.Structure):
    """Where the samples of a channel lie."""

    _fields_ = (("data", c_void_p), ("image_stride", c_longlong), ("pitch", c_int), ("step", c_int))


class LetterboxArgs(ctypes.Structure):
    """Of letterbox_bgr_* and letterbox_yuv_*."""

    network_h: int
    network_w: int
    _fields_ = (
        ("planes", Plane * 3),
        ("across", c_void_p * 2),
        ("down", c_void_p * 2),
        *_all(c_void_p, "tables tensor"),
        *_all(c_longlong, "image_stride channel_stride row_stride pixel_stride"),
        *_all(c_int, "network_h network_w content_h content_w top left pad rgb chroma_half_even"),
        ("to_bgr", c_int * 12),
    )


class ArgmaxArgs(ctypes.Structure):
    """Of argmax_*."""

    height: int
    width: int
    _fields_ = (
        *_all(c_void_p, "logits"),
        *_all(c_longlong, "image_stride class_stride row_stride pixel_stride"),
        *_all(c_void_p, "labels"),
        *_all(c_int, "height width classes"),
    )


class SpreadArgs(ctypes.Structure):
    """Of spread_*."""

    frame_h: int
    frame_w: int
    _fields_ = (
        *_all(c_void_p, "cells rows columns table map"),
        *_all(c_int, "cells_h cells_w frame_h frame_w above below"),
        *_all(c_float, "limit"),
    )


class BlendArgs(ctypes.Structure):
    """Of blend."""

    height: int
    width: int
    _fields_ = (
        *_all(c_void_p, "under out labels kept added"),
        *_all(c_longlong, "under_stride out_stride"),
        *_all(c_int, "under_pitch out_pitch height width channels labels_h labels_w halved known"),
    )


class CandidatesArgs(ctypes.Structure):
    """Of candidates_*."""

    anchors: int
    _fields_ = (
        *_all(c_void_p, "rows chosen counts keys class_ids"),
        *_all(c_int, "anchors classes k"),
        *_all(c_float, "conf"),
    )


class RankArgs(ctypes.Structure):
    """Of rank_*."""

    anchors: int
    _fields_ = (
        *_all(c_void_p, "rows counts keys class_ids boxes scores anchor_of class_of"),
        *_all(c_int, "anchors height most"),
    )


class NmsArgs(ctypes.Structure):
    """Of nms."""

    _fields_ = (
        *_all(c_void_p, "counts boxes class_of kept"),
        *_all(c_int, "most max_det agnostic"),
        *_all(c_float, "limit"),
    )


class PlaceArgs(ctypes.Structure):
    """Of place."""

    _fields_ = (
        *_all(c_void_p, "rows counts boxes anchor_of kept frame_boxes crops"),
        *_all(c_void_p, "windows coefficients cell_offset mask_offset shown down across"),
        *_all(c_longlong, "cells_room mask_room"),
        *_all(c_int, "most max_det anchors height k frame_h frame_w grid_h grid_w"),
        *_all(c_float, "left top scale_x scale_y"),
        *_all(c_int, "half"),
    )


class MaskArgs(ctypes.Structure):
    """Of mask_logits_*, mask_find and mask_write."""

    _fields_ = (
        *_all(c_void_p, "prototypes counts crops windows coefficients cell_offset mask_offset"),
        *_all(c_void_p, "logits shown source offset arena down across"),
        *_all(c_longlong, "cells_room mask_room"),
        *_all(c_int, "max_det k grid_h grid_w three"),
    )


class FinishArgs(ctypes.Structure):
    """Of finish."""

    _fields_ = (
        *_all(c_void_p, "counts frame_boxes crops shown kept scores"),
        *_all(c_void_p, "class_of source out_boxes out_scores out_class_ids out_crops offset"),
        *_all(c_int, "most max_det"),
    )


Args = TypeVar("Args", bound=ctypes.Structure)


def fill(kind: type[Args], values: Mapping[str, float]) -> Args:
    """A struct whose fields are taken by name from what is known; the others are 0."""
    return kind(**{field[0]: values[field[0]] for field in kind._fields_ if field[0] in values})
