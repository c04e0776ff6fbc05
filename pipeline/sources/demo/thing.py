"""What everything that stands or moves has in common."""

from __future__ import annotations

from typing import Protocol

from pipeline.sources.demo.camera import View
from pipeline.sources.demo.canvas import Canvas


class Thing(Protocol):
    """Something upright; things are drawn far to near by key_m."""

    reach_m: float  # from farther away it is not drawn

    @property
    def key_m(self) -> float:
        """Where it is along the road, metres."""
        ...

    def draw(self, canvas: Canvas, view: View) -> None:
        """Draw it, colour and id at once."""
        ...
