"""Read an image or a label file of a data set, and say exactly what is wrong with one that cannot be used."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.file_bytes import file_bytes
from pipeline.errors import DataError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3  # PNG colour types (ISO/IEC 15948, 11.2.2)
_COLOUR_HINT = (
    "this layout keeps class ids in one grey channel; read colour masks as the data set `folders` "
    "with encoding=colours"
)
_BITMASK_HINT = "use the folder `bitmasks`, not `colormaps`"


def read_image(path: Path) -> NDArray[np.uint8]:
    """An image as (h, w, 3) BGR; new memory.

    Raises:
        DataError: missing, cut off, or no image.
    """
    data = file_bytes(path)
    if data.startswith(PNG_SIGNATURE):
        _chunks(data, path)
    elif data.startswith(b"\xff\xd8") and data.rfind(b"\xff\xd9") < len(data) // 2:
        raise DataError(f"{path} is cut off: its JPEG data has no end", hint="fetch it again")
    return np.asarray(_decoded(data, cv2.IMREAD_COLOR, path), np.uint8)


def read_ids(path: Path, *, palette: bool | None = False) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """A label file as (h, w), the numbers as they are stored: uint8, or uint16 from 16-bit files; new memory.

    Args:
        path: a PNG of one grey channel of 1 to 16 bit; another lossless format where cv2 reads one channel of it.
        palette: the file is a PNG with a palette and the indices are meant; else a palette is an error, because
            the same file means other numbers to a reader that looks at its colours. None: with or without one.

    Raises:
        DataError: missing, cut off, with a palette, in colours, or with a lossy format.
    """
    data = file_bytes(path)
    depth = 8
    if data.startswith(b"\xff\xd8"):
        raise DataError(f"{path} is a JPEG: its class ids are not what was written", hint="store labels as PNG")
    if data.startswith(PNG_SIGNATURE):
        chunks = _chunks(data, path)
        depth, colour_type = chunks[0][1][8], chunks[0][1][9]
        if colour_type == _PALETTE and palette is False:
            raise DataError(
                f"{path} is a PNG with a palette, class ids in a grey channel were expected",
                hint="if its palette indices are the ids, read it as the data set `folders` with encoding=palette",
            )
        if colour_type != _PALETTE and palette:
            raise DataError(f"{path} has no palette, one was expected", hint="for grey PNGs of ids say encoding=ids")
        if colour_type == _PALETTE:
            data = _without_palette(chunks)
    ids = _decoded(data, cv2.IMREAD_UNCHANGED, path)
    if ids.ndim != 2:
        same = (ids[..., :3] == ids[..., :1]).all()
        hint = "they hold the same numbers: keep one of them" if same else _COLOUR_HINT
        raise DataError(f"{path} has {ids.shape[2]} channels, class ids in one were expected", hint=hint)
    if ids.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path} holds {ids.dtype} numbers, whole class ids were expected", hint=_COLOUR_HINT)
    if depth < 8:
        ids = ids // np.uint8(255 // ((1 << depth) - 1))  # libpng stretches few bits to 0..255
    return ids


def read_colours(path: Path) -> NDArray[np.uint8]:
    """A label file in colours as (h, w, 3) BGR; new memory. DataError where it is broken or a JPEG."""
    if file_bytes(path).startswith(b"\xff\xd8"):
        raise DataError(f"{path} is a JPEG: its colours are not what was painted", hint="store masks as PNG")
    return read_image(path)


def read_bitmask(path: Path) -> NDArray[np.uint8]:
    """A PNG of four channels as they are stored, (h, w, 4) in the order red, green, blue, alpha; new memory.

    Raises:
        DataError: missing, broken, or not of four channels of 8 bit.
    """
    data = file_bytes(path)
    if data.startswith(PNG_SIGNATURE):
        _chunks(data, path)
    picture = _decoded(data, cv2.IMREAD_UNCHANGED, path)
    if picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8:
        found = f"{1 if picture.ndim == 2 else picture.shape[2]} channels of {picture.dtype}"
        raise DataError(f"{path} has {found}, a bitmask of four (RGBA, 8 bit) was expected", hint=_BITMASK_HINT)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA), np.uint8)


def misfit(picture: NDArray[np.generic], size: tuple[int, ...], hint: str) -> str:
    """The hint for a picture that is of another height and width than what belongs to it."""
    if picture.shape[1::-1] == size:
        return "one of them lies on its side: pictures are turned as their EXIF data say, and so must labels be"
    return hint


def size_hw(picture: NDArray[np.generic]) -> str:
    """`480x360`, width first, for people."""
    return f"{picture.shape[1]}x{picture.shape[0]}"


def _decoded(data: bytes, flags: int, path: Path) -> NDArray[np.uint8]:
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        picture = None
    if picture is None:
        raise DataError(f"{path} cannot be decoded as an image", hint="it is damaged, cut off, or something else")
    return picture  # type: ignore[return-value]


def _chunks(data: bytes, path: Path) -> list[tuple[bytes, bytes]]:
    """Type and content of each chunk of a PNG, checked: OpenCV shows a cut-off one as if it were whole."""
    chunks, at = [], len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(data):
            break
        kind, content = data[at + 4 : at + 8], data[at + 8 : end]
        if zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(data[end : end + 4], "big"):
            raise DataError(f"{path} is damaged: a checksum of its PNG data is wrong", hint="fetch it again")
        chunks.append((kind, content))
        if kind == b"IEND":
            break
        at = end + 4
    if not chunks or chunks[0][0] != b"IHDR" or chunks[-1][0] != b"IEND":
        raise DataError(f"{path} is cut off: its PNG data has no end", hint="fetch it again")
    return chunks


def _without_palette(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """The same PNG with its indices as grey values, because OpenCV gives only the colours of a palette."""
    header = bytearray(chunks[0][1])
    header[9] = _GREY
    kept = [(b"IHDR", bytes(header))]
    kept += [(kind, content) for kind, content in chunks[1:] if kind in (b"IDAT", b"IEND")]
    packed = (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))
        for kind, content in kept
    )
    return PNG_SIGNATURE + b"".join(packed)
