"""When more training is no longer worth it."""

from __future__ import annotations

from collections.abc import Iterable

from engines.training.config import StopConfig


class EarlyStop:
    """Watches a score that should rise, such as validation mean IoU (Prechelt 1998, early stopping by patience).

    Attributes:
        best: highest score seen, which decides what is kept; below every score at first.
        best_epoch: when that was.
    """

    def __init__(self, config: StopConfig) -> None:
        self.config = config
        self.best = float("-inf")
        self.best_epoch = -1
        self._mark = float("-inf")  # the score that has to be beaten by min_delta
        self._mark_epoch = self._seen_epoch = -1

    def seen(self, epoch: int, score: float) -> bool:
        """Take in a score; true where it is the best so far."""
        self._seen_epoch = epoch
        if self._mark_epoch < 0 or score > self._mark + self.config.min_delta:
            self._mark, self._mark_epoch = score, epoch
        if score <= self.best:
            return False
        self.best, self.best_epoch = score, epoch
        return True

    def over(self) -> bool:
        """Whether `patience` epochs had passed without a rise worth the name when the last score was taken in: until
        the next one nobody knows."""
        patience = self.config.patience
        return patience is not None and self._mark_epoch >= 0 and self._seen_epoch - self._mark_epoch >= patience

    def replay(self, scores: Iterable[tuple[int, float]]) -> None:
        """Take in the scores of an earlier run, in order."""
        for epoch, score in scores:
            self.seen(epoch, score)
