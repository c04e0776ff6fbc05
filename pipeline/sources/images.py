"""Images as a sequence in time: one, a folder, a glob, a KITTI drive, a BDD100K folder."""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SourceError
from pipeline.image import Image
from pipeline.sources import IMAGE_SUFFIXES, SourceOptions, keeps_times
from pipeline.types import Frame, SourceInfo

UNSTATED_FPS = 10.0  # KITTI's rate
TIMES = ("timestamps.txt", "times.txt")  # KITTI raw, KITTI odometry
NANOSECOND = Fraction(1, 1_000_000_000)
ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}  # how a JPEG and a PNG begin, and what ends them


class Images:
    """Images in natural order (2 before 10), as bgr24; 16 bit is cut to 8, grey repeated, alpha dropped.

    Their times: `timestamps.txt` beside the images or beside their folder, as KITTI raw has it, to the
    nanosecond and from the first image on; else the stated rate; else 10 frames a second. A KITTI drive
    may be named by its own folder, its `image_02` or the `data` in it. Sizes may change. Frames carry the name of
    their image.

    Args:
        spec: an image, a folder or a glob.
        options: start_s and fps are used.
    """

    live = False

    def __init__(self, spec: str, options: SourceOptions) -> None:
        self.undecodable = 0  # images that could not be read, and were left out
        self.notes: list[str] = []  # what a user should know
        self._spec = spec
        self._options = options
        self._info = SourceInfo(spec)

    @property
    def info(self) -> SourceInfo:
        """What is known so far; complete once the first frame has come."""
        return self._info

    def __enter__(self) -> Iterator[Frame]:
        """List the images and read their times.

        Raises:
            SourceError: there is no image, or the times do not fit them. From the iterator: none can be read.
        """
        paths = _find(self._spec)
        times, time_base = _times(paths, self._options.fps)
        fps = 1 / float(time_base)
        if time_base == NANOSECOND:
            span_s = float((times[-1] - times[0]) * NANOSECOND)
            fps = (len(times) - 1) / span_s if span_s > 0 else UNSTATED_FPS
            if self._options.fps is not None:
                self.notes.append(keeps_times(self._spec))
        start = Fraction(str(self._options.start_s)) / time_base
        wanted = [(path, pts) for path, pts in zip(paths, times, strict=True) if pts - times[0] >= start]
        if not wanted:
            raise SourceError(
                f"{self._spec} has nothing from {self._options.start_s:g} s on: "
                f"it ends at {float((times[-1] - times[0]) * time_base):g} s",
                hint="start earlier",
            )
        self._several = not Path(self._spec).is_file()
        codec = wanted[0][0].suffix[1:].lower()
        self._info = SourceInfo(self._spec, fps=fps, frames=len(wanted), codec=codec)
        return self._frames(wanted, time_base)

    def __exit__(self, *error: object) -> None:
        pass

    def _frames(self, wanted: list[tuple[Path, int]], time_base: Fraction) -> Iterator[Frame]:
        index = 0
        above = os.path.commonpath([path.parent for path, _ in wanted])
        for path, pts in wanted:
            picture = _read(path)
            if picture is None:
                if not index:
                    raise SourceError(
                        f"{path} cannot be read as an image", hint="it is damaged, cut off, or something else"
                    )
                self.undecodable += 1
                continue
            image = Image((picture,), "bgr24")
            if not index:
                self._info = replace(self._info, size_hw=image.size_hw)
            name = os.fsencode(os.path.relpath(path, above)).decode(errors="replace") if self._several else ""
            yield Frame(index, pts, time_base, time.monotonic(), image, name=name)
            index += 1


def _find(spec: str) -> list[Path]:
    path = Path(spec)
    if path.is_file():
        return [path]
    if not path.is_dir():
        if not glob.has_magic(spec):
            raise SourceError(f"{spec}: there is no such file", hint="check the path")
        found = [Path(name) for name in glob.glob(spec, recursive=True) if _is_image(Path(name))]
        if not found:
            raise SourceError(f"{spec} matches no image", hint="quote it, so that the shell leaves it alone")
        return sorted(found, key=_natural)
    try:
        for folder in (path, path / "data", path / "image_02" / "data"):  # KITTI raw
            if folder.is_dir() and (found := [file for file in folder.iterdir() if _is_image(file)]):
                return sorted(found, key=_natural)
        inside = sorted(file.name for file in path.iterdir() if file.is_dir())
    except PermissionError:
        raise SourceError(f"{spec} may not be read by this user", hint="change its permissions") from None
    hint = f"its folders are: {', '.join(inside[:8])}" if inside else "give a folder of .jpg or .png files"
    raise SourceError(f"{spec} has no images in it", hint=hint)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(path))]


def _times(paths: list[Path], fps: float | None) -> tuple[list[int], Fraction]:
    folder = paths[0].parent
    if len(paths) > 1 and all(path.parent == folder for path in paths):
        for file in (place / name for place in (folder, folder.parent) for name in TIMES):
            if file.is_file():
                return _stamps(file, paths), NANOSECOND
    rate = Fraction(str(fps or UNSTATED_FPS)).limit_denominator(1001)
    return list(range(len(paths))), 1 / rate


def _stamps(file: Path, paths: list[Path]) -> list[int]:
    """A time per image, nanoseconds from the first line. KITTI numbers its images by the line of their time."""
    lines = [line.strip() for line in file.read_text(errors="replace").splitlines() if line.strip()]
    if len(lines) == len(paths):
        rows = list(range(len(paths)))
    elif all(path.stem.isdecimal() for path in paths) and int(paths[-1].stem) < len(lines):
        rows = [int(path.stem) for path in paths]
    else:
        raise SourceError(
            f"{file} has {len(lines)} times for {len(paths)} images",
            hint="complete it, or move it away and state the frame rate",
        )
    try:
        stamps = [_nanoseconds(lines[row]) for row in rows]
        return [stamp - stamps[0] for stamp in stamps]
    except (ValueError, TypeError, ArithmeticError):  # TypeError: a time with a zone
        raise SourceError(
            f"{file} holds something else than times", hint="a line is 2011-09-26 13:02:25.594360375, or seconds"
        ) from None


def _nanoseconds(line: str) -> int:
    if not re.match(r"\d{4}-\d\d-\d\d[ T]", line):
        return int(Decimal(line) / Decimal("1e-9"))
    whole, _, part = line.partition(".")
    seconds = (datetime.fromisoformat(whole) - datetime(1970, 1, 1)) // timedelta(seconds=1)
    return seconds * 10**9 + int(part.ljust(9, "0")[:9])


def _read(path: Path) -> NDArray[np.uint8] | None:
    """(h, w, 3) BGR, read only; None where the file is broken or cut off."""
    try:
        data = np.fromfile(path, np.uint8)
        content = data.tobytes()
        end = ENDS.get(content[:2])
        # OpenCV 4 shows a JPEG that is cut off with grey for the rest, 4 and 5 write to stderr. A preview in the
        # metadata has an end of its own, early: look behind the middle.
        if not content or (end and content.rfind(end) < len(content) // 2):
            return None
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return None
    if picture is None:
        return None
    picture.flags.writeable = False
    return np.asarray(picture, np.uint8)
