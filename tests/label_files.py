"""Label files as OpenCV writes them, and as it does not."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

HW = (6, 8)
GREY = np.full((*HW, 3), 90, np.uint8)
IDS = np.arange(HW[0] * HW[1], dtype=np.uint8).reshape(HW) % 12


def write(path: Path, picture: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)
    return path


def png(path: Path, rows: NDArray[np.uint8], *, colour_type: int, depth: int = 8, palette: bytes = b"") -> Path:
    """A PNG that OpenCV does not write: with a palette, or with few bits."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    bits = np.unpackbits(rows[..., None], axis=2)[..., -depth:].reshape(len(rows), -1)
    packed = b"".join(b"\0" + line.tobytes() for line in np.packbits(bits, axis=1))
    header = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], depth, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(packed)), (b"IEND", b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts if part[1] or part[0] != b"PLTE"))
    return path
