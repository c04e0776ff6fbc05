"""A sink that throws everything away: what writing costs is what a run takes longer without it."""

from __future__ import annotations

from pipeline.types import Picture


class NullSink:
    """Counts pictures and keeps none."""

    def __init__(self) -> None:
        self.frames = 0

    def write(self, picture: Picture) -> None:
        """Count a picture."""
        self.frames += 1

    def close(self, whole: bool) -> None:
        """Nothing is open."""
