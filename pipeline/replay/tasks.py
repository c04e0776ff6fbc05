"""Pieces of work, and what comes of them. They travel between processes and machines."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.replay.naming import Clip
from pipeline.sources.segment import Span


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work: a clip as a whole, a segment of one, or the joining of its segments."""

    id: int  # of the clip
    clip: Clip
    kind: Literal["clip", "segment", "join"]
    may_split: bool = False  # clip: give spans instead where it is long
    span: Span | None = None  # segment
    number: int = 0  # segment: which; join: how many there are


@dataclass(frozen=True, slots=True)
class Split:
    """A clip is long: these are its segments."""

    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """It is written."""

    frames: int
    rows: int
    sha256: str  # of the clip's file; of a segment empty
    busy_s: float
    not_split: str = ""  # clip: why it was read in one piece, where it is long
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """It is not written."""

    reason: str
    again: bool  # another try may do better
    in_one_piece: bool = False  # the clip cannot be split after all
    replace: bool = False  # the worker met a defect: do not trust it further
    stop: bool = False  # nothing can be written: every other clip would fail too


Result = Split | Done | Failed


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything lies in a data set's folder."""

    out: str
    run: str  # of this run: its temporary files are its own

    def records(self, name: str) -> str:
        """The rows of a clip."""
        return f"{self.out}/records/{name}.parquet"

    def masks(self, name: str) -> str:
        """The mask PNGs of a clip, a folder."""
        return f"{self.out}/masks/{name}"

    def video(self, name: str) -> str:
        """The drawn video of a clip."""
        return f"{self.out}/videos/{name}.mp4"

    @property
    def parts(self) -> str:
        """Segments that wait to be joined, and what is not whole yet."""
        return f"{self.out}/parts"

    def part(self, clip_id: int, number: int) -> str:
        """The rows of a segment."""
        return f"{self.parts}/{clip_id}/{number}.parquet"

    def part_masks(self, clip_id: int, number: int) -> str:
        """The masks of a segment, a folder."""
        return f"{self.parts}/{clip_id}/{number}.masks"

    @property
    def scratch(self) -> str:
        """What is being written in this run."""
        return f"{self.parts}/{self.run}"


def copies(layout: Layout) -> Path:
    """Where a machine keeps copies of clips that lie elsewhere while this run needs them."""
    return Path(tempfile.gettempdir()) / f"dashmask-replay-{layout.run}"
