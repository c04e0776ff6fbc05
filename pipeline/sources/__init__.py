"""Where frames come from: what the name of a source looks like, and the class that reads it.

    clip.mp4                          a video file, any codec FFmpeg has        file.py
    0, /dev/video0, lavfi:testsrc     a camera, or FFmpeg's drawn stand-in      camera.py
    rtsp://..., http://..., udp://... a network stream                          network.py
    folder, "folder/*.png", a.png     images as a timed sequence, KITTI raw     images.py
    demo, demo:seed=3,frames=100      a drawn drive with exact labels           demo/

Adding one is a file here and a line in SOURCES.
"""

from __future__ import annotations

import difflib
import glob
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.errors import SourceError
from pipeline.types import Source

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pnm", ".jp2")
)
LEAST_FPS = 0.001  # a rate becomes a fraction over 1001 at most
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How a source is read."""

    start_s: float = 0.0  # leave out what comes before, seconds from the first frame; recorded sources only
    fps: float | None = None  # of image folders and of streams without timestamps; None: as each source says
    open_timeout_s: float = 10.0  # of cameras and network streams
    read_timeout_s: float = 5.0  # the longest wait for the next frame of a camera or a network stream
    pixel_format: Literal["native", "bgr24"] = "native"  # native: the decoder's planes where Image can hold them
    most_px: int | None = None  # a larger picture of a video is not decoded, wherever in it it comes; None: no limit


class Kind(NamedTuple):
    """A line of the table: which names are meant, who reads them, and what the reader is called with."""

    matches: Callable[[str], object]
    reader: str  # module:class
    arguments: Callable[[str, SourceOptions], dict[str, Any]]


def notes_of(source: Source) -> list[str]:
    """What a reader of its frames should know about those that did not come; complete once it has ended."""
    lost = getattr(source, "undecodable", 0)
    told = f"{source.info.name}: pictures that did not decode and were left out: {lost}"
    return [told] * bool(lost) + list(getattr(source, "notes", ()))


def keeps_times(name: str) -> str:
    """The note where a frame rate is stated and is not needed."""
    return f"{name}: a stated frame rate is for what has no times; these frames keep their own"


def open_source(spec: str, options: SourceOptions | None = None) -> Source:
    """The source that a name means. Nothing is opened until it is entered.

    Args:
        spec: see the head of this module.
        options: how it is read.

    Raises:
        SourceError: an option that is out of range or does not fit the source.
    """
    options = options or SourceOptions()
    if not spec:
        raise SourceError("the name of the source is empty", hint="is a variable of the shell empty?")
    if options.start_s < 0:
        raise SourceError(f"start {options.start_s:g} s is before the first frame", hint="give 0 or more")
    if options.fps is not None and not LEAST_FPS <= options.fps < float("inf"):
        raise SourceError(f"{options.fps:g} frames a second is no frame rate", hint=f"give {LEAST_FPS} or more")
    kind = next(kind for kind in SOURCES if kind.matches(spec))
    module, name = kind.reader.split(":")
    source: Source = getattr(importlib.import_module(module), name)(**kind.arguments(spec, options))
    if source.live and options.start_s:
        raise SourceError(
            f"{source.info.name} is live: it has no beginning to start {options.start_s:g} s after",
            hint="leave the start out, or record the stream first",
        )
    return source


def _plain(spec: str, options: SourceOptions) -> dict[str, Any]:
    return {"spec": spec, "options": options}


def _is_images(spec: str) -> bool:
    path = Path(spec)
    try:
        if path.is_dir():
            return True
        return path.suffix.lower() in IMAGE_SUFFIXES or (glob.has_magic(spec) and not path.exists())
    except (OSError, ValueError):  # no path at all, such as one with a NUL: the file reader says so
        return False


def _demo(spec: str, options: SourceOptions) -> dict[str, Any]:
    if options.start_s:
        raise SourceError("demo is drawn from its first frame on", hint="leave the start out")
    arguments: dict[str, Any] = {} if options.fps is None else {"fps": options.fps}
    for setting in filter(None, spec.partition(":")[2].split(",")):
        key, _, value = setting.partition("=")
        if key not in _DEMO_KEYS:
            near = difflib.get_close_matches(key, _DEMO_KEYS, 1) or ["seed=3,frames=100,size=1280x720,fps=25"]
            raise SourceError(f"{spec}: a demo has no setting {key!r}", hint=f"did you mean {near[0]}?")
        name, pattern, convert = _DEMO_KEYS[key]
        if not re.fullmatch(pattern, value) or (key != "seed" and not value.strip("0.")):
            raise SourceError(
                f"{spec}: {value!r} is no {key}", hint="as in demo:seed=3,frames=100,size=1280x720,fps=25"
            )
        arguments[name] = convert(value)
    return arguments


def _size_hw(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(height), int(width)


_DEMO_KEYS: dict[
    str, tuple[str, str, Callable[[str], Any]]
] = {  # name of the argument, what is allowed, how to read it
    "seed": ("seed", r"\d{1,9}", int),
    "frames": ("frames", r"\d{1,9}", int),
    "size": ("size_hw", r"[1-9]\d{0,4}x[1-9]\d{0,4}", _size_hw),
    "fps": ("fps", r"\d{1,4}(\.\d+)?", float),
}

SOURCES: tuple[Kind, ...] = (  # the first that matches
    Kind(re.compile(r"demo(:|$)").match, "pipeline.sources.demo:Demo", _demo),
    Kind(re.compile(r"\d+$|/dev/video|lavfi:").match, "pipeline.sources.camera:Camera", _plain),
    Kind(ADDRESS.match, "pipeline.sources.network:Network", _plain),
    Kind(_is_images, "pipeline.sources.images:Images", _plain),
    Kind(lambda spec: True, "pipeline.sources.file:File", _plain),
)
