"""The figures that a benchmark's own tool prints of result files, where it has some that no other has.

base.py says what such a score is and opens one; each other file holds those of one benchmark.
"""

from __future__ import annotations

from pipeline.evaluation.official.base import OfficialScore, open_official

__all__ = ["OfficialScore", "open_official"]
