"""What came out of a run beside what is really there, frame by frame, in the measures that fit both.

regions.py brings objects into the form that pipeline.metrics compares; labels.py, objects.py and panoptic.py each
hold one kind of score; scores.py picks those that a network and a data set have in common.
"""

from __future__ import annotations

from pipeline.evaluation.scoring.scores import Scores, open_scores

__all__ = ["Scores", "open_scores"]
