"""Official truth as files alone: what is on each image of a benchmark, without the images.

base.py says what a truth is and opens one; in_json.py and in_folders.py each hold those that are stored so.
"""

from __future__ import annotations

from pipeline.evaluation.truths.base import Truths, TruthWanted, open_truths

__all__ = ["TruthWanted", "Truths", "open_truths"]
