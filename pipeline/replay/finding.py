"""Which clips are meant: files, folders, globs and manifests, here or elsewhere, one at a time."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from pipeline.errors import SourceError
from pipeline.replay.listing import is_manifest, read_manifest
from pipeline.replay.naming import Clip, checked_name
from pipeline.replay.remote import find_remote, is_remote, shown
from pipeline.sources import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv"),
        *(".h264", ".264", ".h265", ".265", ".hevc", ".ivf", ".y4m", ".mxf", ".3gp", ".ogv"),
    )
)
_LIVE = ("rtsp", "rtsps", "udp", "tcp", "rtmp", "rtmps", "srt")


def find_clips(inputs: Iterable[str]) -> Iterator[Clip]:
    """The clips that a user's words mean, each word's in the order of their names; a manifest's in its own.

    A file is one clip, named as itself. A folder gives every video below it, named by its path in there, and every
    folder of images below it as one clip. A glob gives what it matches, each as if it had been named.

    Raises:
        SourceError: there is no such thing, or nothing in it.
        DataError: a manifest that cannot be read; names the line.
    """
    for word in inputs:
        if is_manifest(word) and (is_remote(word) or Path(word).is_file()):
            yield from read_manifest(word)
        elif is_remote(word):
            yield from _remote(word)
        else:
            yield from _local(word)


def _remote(word: str) -> Iterator[Clip]:
    if word.partition("://")[0].lower() in _LIVE:
        raise SourceError(f"{shown(word)} is live, and a replay is of what was recorded", hint="use `dashmask run`")
    above = word.rstrip("/")
    count = 0
    for address in find_remote(word):
        below = address.startswith(above + "/")
        if below and PurePosixPath(address).suffix.lower() not in VIDEO_SUFFIXES:
            continue
        path = address.split("?")[0] if address.startswith("http") else address
        name = address[len(above) + 1 :] if below else PurePosixPath(unquote(path)).name
        count += 1
        yield Clip(checked_name(name, shown(address)), address)
    if not count:
        raise SourceError(f"{shown(word)} has no video in it", hint="give a file, or a folder or glob of videos")


def _local(word: str) -> Iterator[Clip]:
    if not word:
        raise SourceError("the name of an input is empty", hint="is a variable of the shell empty?")
    path = Path(word)
    if path.is_dir():
        yield from _folder(path)
    elif path.exists():
        yield Clip(checked_name(path.name, word), os.path.abspath(path))
    elif glob.has_magic(word):
        found = sorted(glob.glob(word, recursive=True))
        if not found:
            raise SourceError(f"{word} matches nothing", hint="quote it, so that the shell leaves it alone")
        for one in found:
            yield from _local(one)
    else:
        raise SourceError(f"{word}: there is no such file or folder", hint="check the path")


def _folder(folder: Path) -> Iterator[Clip]:
    count = 0
    for above, below, files in os.walk(folder, followlinks=True):
        below[:] = sorted(name for name in below if not _leads_back(Path(above, name), folder))
        inside = Path(above).relative_to(folder)
        shown_files = sorted(name for name in files if not name.startswith("."))
        if any(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in shown_files):
            own = str(inside) if inside.parts else folder.resolve().name
            count += 1
            yield Clip(checked_name(own, str(folder)), os.path.abspath(above))
        for name in shown_files:
            if Path(name).suffix.lower() in VIDEO_SUFFIXES:
                count += 1
                yield Clip(
                    checked_name((inside / name).as_posix(), str(folder)), os.path.abspath(os.path.join(above, name))
                )
    if not count:
        raise SourceError(f"{folder} has neither videos nor images in it", hint="give a folder of recordings")


def _leads_back(path: Path, top: Path) -> bool:
    """Whether a folder is a link to one on the way to it from `top`, or above those: its clips are found there."""
    if not path.is_symlink():
        return False
    there = path.resolve()
    way = (above for above in path.parents if above == top or top in above.parents)
    return any(real == there or there in real.parents for real in map(Path.resolve, way))
