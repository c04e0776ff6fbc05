"""When a run has become stable: the last windows agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

AGREE = 3  # so many windows in a row


@dataclass(frozen=True, slots=True)
class Warming:
    """How a warm-up ended."""

    frames: int
    values: tuple[float, ...]  # of each window: its rate, or the mean age where the pace is given
    limit_percent: float
    most_s: float

    @property
    def spread_percent(self) -> float | None:
        """Of the last windows: most less least, over their mean; None: there are too few."""
        return spread_percent(self.values)

    @property
    def stable(self) -> bool:
        """Whether the last windows agree."""
        spread = self.spread_percent
        return spread is not None and spread <= self.limit_percent

    def said(self) -> str:
        """In a sentence."""
        spread = self.spread_percent
        if not self.most_s:
            return "no warm-up, as was asked for"
        if spread is None:
            return f"did not become stable: fewer than {AGREE} windows in {self.most_s:g} s"
        if self.stable:
            return f"stable after {self.frames} frames"
        return f"did not become stable: spread {spread:.1f} % after {self.frames} frames"

    def as_dict(self, of: str) -> dict[str, Any]:
        """For JSON; `of` says what the values are."""
        spread = self.spread_percent
        return {
            "said": self.said(),
            "stable": self.stable,
            "frames": self.frames,
            "of": of,
            "windows": [round(value, 4) for value in self.values],
            "spread_percent": None if spread is None else round(spread, 3),
            "limit_percent": self.limit_percent,
            "agree_windows": AGREE,
            "most_s": self.most_s,
        }


def spread_percent(values: Sequence[float]) -> float | None:
    """Of the last AGREE values."""
    last = values[-AGREE:]
    mean = sum(last) / len(last) if last else 0.0
    if len(last) < AGREE or mean <= 0:
        return None
    return (max(last) - min(last)) / mean * 100
