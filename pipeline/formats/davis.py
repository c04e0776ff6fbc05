"""DAVIS' results: a palette PNG a frame, `{out}/{sequence}/00000.png`; 0 is the ground, objects count from 1.

Perazzi et al. 2016; Pont-Tuset et al. 2017, arXiv 1704.00675. Where objects are numbered over time, a number is that
of an object, as they appear in a film, and those without one are left out. Else objects are numbered within a frame,
best score first: one number in two frames does not mean one object.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.davis import THINGS
from pipeline.datasets.listing import files
from pipeline.datasets.objects import Marked, segments
from pipeline.errors import DataError, SinkError
from pipeline.formats.base import Prediction, exclusive, write_bytes
from pipeline.formats.reading import Asked, Benchmark, Reading, found, read_sized
from pipeline.types import VOID, Classes, Instances

_MOST = VOID - 1


class DavisWriter:
    """Objects as DAVIS' evaluation reads them."""

    labels: ClassVar[Classes | None] = None
    things: ClassVar[Classes | None] = Classes((), ())
    scored: ClassVar[bool] = False
    numbered: ClassVar[bool] = False

    def __init__(self, out: Path) -> None:
        self._out = out
        self._made: dict[Path, None] = {}
        self._numbers: dict[str, dict[int, int]] = {}  # film -> track -> number

    def add(self, prediction: Prediction) -> None:
        """Write one frame; its sequence is the folder in its name, or `sequence`."""
        if prediction.instances is None:
            return
        name = Path(prediction.name)
        where = self._out / (name.parent.name or "sequence")
        self._made[where] = None
        frame = int(name.name) if name.name.isdecimal() else prediction.index
        ids = exclusive(prediction.instances, prediction.size_hw)
        numbers = np.array([0, *self._of(where.name, prediction.instances)], np.uint8)
        write_bytes(where / f"{frame:05}.png", palette_png(numbers[ids]))

    def _of(self, film: str, found: Instances) -> list[int]:
        """The number of each object; 0: it has none."""
        if found.track_ids is None:
            return [min(place, _MOST) for place in range(1, len(found) + 1)]
        known = self._numbers.setdefault(film, {})
        numbers = [known.setdefault(track, len(known) + 1) if track else 0 for track in found.track_ids.tolist()]
        if len(known) > _MOST:
            raise SinkError(
                f"{film}: more than {_MOST} objects in a film, for which DAVIS has no numbers",
                hint="export fewer frames, or only surer objects with --conf",
            )
        return numbers

    def close(self) -> list[Path]:
        """Everything is written already."""
        return list(self._made)


def palette_png(ids: NDArray[np.uint8]) -> bytes:
    """(h, w) uint8 as a PNG with VOC's palette.

    A gray PNG and a palette PNG of 8 bits hold the same bytes of pixels: the kind in the header is changed and
    the palette put behind it (PNG specification, 11.2.2 and 11.2.3).
    """
    gray = cv2.imencode(".png", ids)[1].tobytes()
    header = bytearray(gray[16:29])
    header[9] = 3  # colour type: palette
    end = 8 + 12 + 13  # signature, then the header's length, name, 13 bytes and checksum
    return gray[:8] + _chunk(b"IHDR", bytes(header)) + _chunk(b"PLTE", voc_palette().tobytes()) + gray[end:]


def voc_palette() -> NDArray[np.uint8]:
    """(256, 3) R, G, B: the bits of the number, three by three, from the highest of each colour down (VOC devkit)."""
    numbers = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((numbers >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return palette


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


class DavisReader(Reading):
    """Frames by anybody, in folders of sequences."""

    things = THINGS
    note = "every object has the score 1, so that AP says how well single frames are found; DAVIS ranks by J and F"

    def __init__(self, path: Path, benchmark: Benchmark) -> None:
        super().__init__()
        self._files = files(path, (".png",), deep=True)
        self._rest = set(self._files)
        if not self._files:
            raise DataError(f"{path} has no predictions", hint="folders of sequences, with PNGs such as 00000.png")

    def find(self, asked: Asked) -> Prediction | None:
        """What the picture of a frame `sequence/00003` holds; number 255 is no object."""
        path = self._files.get(asked.name)
        self._rest.discard(asked.name)
        if path is None:
            return None
        numbers = self._whole(asked.name, read_sized, path, asked.size_hw, palette=None)
        there = [] if numbers is None else [one for one in segments(numbers) if one.number != VOID]
        marked = [Marked(0, one.mask, one.crop_px, one.number) for one in there]
        objects = found(marked, [1.0] * len(marked), THINGS, followed=True)
        return Prediction(asked.name, asked.index, asked.size_hw, None, objects)

    def unasked(self) -> list[str]:
        """See Reader."""
        return sorted(f"{name}.png" for name in self._rest)
