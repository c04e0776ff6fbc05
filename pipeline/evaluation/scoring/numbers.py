"""Figures as JSON can hold them."""

from __future__ import annotations

import math


def number(value: float) -> float | None:
    """None for NaN, which JSON does not have."""
    return None if math.isnan(value) else value
