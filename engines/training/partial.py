"""Labels that only say "one of these": other data sets, whose classes are coarser than ours.

A label id from `classes` on stands for a set of classes. What is learned is that one of them is there, whichever:
-log of the sum of their probabilities (Cour, Sapp, Taskar 2011, Learning from Partial Labels, JMLR 12; for
segmentation Shi et al. 2021, arXiv 2007.03868, marginal loss).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class PartialLabels:
    """The loss on pixels that are labelled with a set of classes.

    Args:
        sets: ids of the classes of each set; label `classes + i` stands for `sets[i]`.
        classes: how many the network knows.
    """

    def __init__(self, sets: Sequence[Sequence[int]], classes: int, device: torch.device) -> None:
        self.classes = classes
        self.end = classes + len(sets)
        self._others = torch.zeros(len(sets), classes, device=device)
        for row, members in zip(self._others, sets, strict=True):
            row[[i for i in range(classes) if i not in members]] = -torch.inf

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over all labelled pixels, 0 at those that name one class.

        Args:
            logits: (n, classes, h, w).
            labels: (n, h, w) uint8: a class, a set or, beyond both, nothing.
        """
        labels = labels.to(logits.device, torch.int64)
        wanted = (labels >= self.classes) & (labels < self.end)
        chosen = logits.float().permute(0, 2, 3, 1)[wanted]
        loss = chosen.logsumexp(1) - (chosen + self._others[labels[wanted] - self.classes]).logsumexp(1)
        return loss.sum() / (labels < self.end).sum().clamp(min=1)
