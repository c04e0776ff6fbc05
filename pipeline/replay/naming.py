"""A clip and its name, which is where its records lie in the data set."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pipeline.errors import DataError

_LONGEST = 200  # bytes of a part: a file's name has 255, and what a replay writes adds to it


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording: a video file, or a folder of images."""

    name: str  # unique in a data set: a relative path with / between its parts
    location: str  # a path, or an address that fsspec opens


def checked_name(name: str, where: str) -> str:
    """A name as it may be used below a folder.

    Args:
        name: with / between its parts.
        where: how an error names the place that it comes from.

    Raises:
        DataError: it would lead out of the folder, or is none.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    too_long = any(len(os.fsencode(part)) > _LONGEST for part in parts)
    if not parts or name.startswith("/") or ".." in parts or "\0" in name or too_long:
        raise DataError(
            f"{where}: {name!r} cannot name a clip", hint="a name is a relative path, such as monday/0001.mp4"
        )
    return "/".join(parts)
