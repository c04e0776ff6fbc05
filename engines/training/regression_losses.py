"""The losses of regression and reconstruction, and of a student that learns from a teacher.

Each takes a prediction and a target of the same shape and gives the mean over `where` (everything if None).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import Tensor

from pipeline.types import VOID


def mse(prediction: Tensor, target: Tensor, *, where: Tensor | None = None) -> Tensor:
    """Mean squared error, (x - y)^2: Gauss 1809; Bishop 2006, 1.1."""
    return _mean((prediction - target) ** 2, where)


def mae(prediction: Tensor, target: Tensor, *, where: Tensor | None = None) -> Tensor:
    """Mean absolute error, |x - y|: Laplace 1774; Hastie et al. 2009, 10.6."""
    return _mean((prediction - target).abs(), where)


def msle(prediction: Tensor, target: Tensor, *, where: Tensor | None = None) -> Tensor:
    """Mean squared logarithmic error, (ln(1 + x) - ln(1 + y))^2, as scikit-learn's mean_squared_log_error.

    For quantities that are not negative; a negative prediction counts as 0.
    """
    return _mean((prediction.clamp(min=0).log1p() - target.log1p()) ** 2, where)


def huber(prediction: Tensor, target: Tensor, *, where: Tensor | None = None, delta: float = 1.0) -> Tensor:
    """d^2 / 2 up to |d| = delta, delta (|d| - delta / 2) beyond: Huber 1964, eq. 2.8 with k = delta."""
    return _mean(F.huber_loss(prediction, target, reduction="none", delta=delta), where)


def hinge(logits: Tensor, labels: Tensor, *, weight: Tensor | None = None, margin: float = 1.0) -> Tensor:
    """max(0, margin + best wrong logit - true logit), the mean over the known pixels.

    Multiclass hinge of Crammer and Singer 2001. With one channel of logits, class 1 is the foreground:
    max(0, margin - t x), t = +1 or -1 (Cortes and Vapnik 1995).
    """
    known = labels != VOID
    true = labels.masked_fill(~known, 0)
    if logits.shape[1] == 1:
        sign = (labels == 1).to(logits.dtype) * 2 - 1
        loss = (margin - sign * logits[:, 0]).clamp(min=0)
    else:
        right = logits.gather(1, true[:, None])[:, 0]
        wrong = logits.scatter(1, true[:, None], -torch.inf).amax(1)
        loss = (margin + wrong - right).clamp(min=0)
        if weight is not None:
            loss = loss * weight[true]
    return (loss * known).sum() / known.sum().clamp(min=1)


def kl_divergence(prediction: Tensor, target: Tensor, *, where: Tensor | None = None) -> Tensor:
    """sum over classes of y ln(y / x), of distributions along dimension 1: Kullback and Leibler 1951."""
    ratio = torch.xlogy(target, target) - target * prediction.clamp(min=1e-8).log()
    return _mean(ratio.sum(1), None if where is None else where[:, 0])


def distillation(student: Tensor, teacher: Tensor, *, temperature: float = 2.0) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), the mean over pixels: Hinton et al. 2015, 2.

    T^2 keeps the gradient as large as at T = 1. Both are logits (n, classes, h, w).
    """
    log_student = (student.float() / temperature).log_softmax(1)
    log_teacher = (teacher.float() / temperature).log_softmax(1)
    kl = F.kl_div(log_student, log_teacher, reduction="none", log_target=True).sum(1)
    return kl.mean() * temperature**2


def on_labels(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A loss between softmax probabilities and the one-hot truth; squared, this is Brier's score (1950)."""

    @functools.wraps(loss)
    def of_logits(logits: Tensor, labels: Tensor, **options: float) -> Tensor:
        truth = one_hot(labels, logits.shape[1]).to(logits.dtype)
        known = (labels != VOID)[:, None].expand_as(truth)
        return loss(logits.softmax(1), truth, where=known, **options)

    return of_logits


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """(n, h, w) class ids -> (n, classes, h, w) bool; VOID is none of them."""
    ids = torch.arange(classes, device=labels.device, dtype=labels.dtype)
    return labels[:, None] == ids[None, :, None, None]


def _mean(values: Tensor, where: Tensor | None) -> Tensor:
    if where is None:
        return values.mean()
    return torch.where(where, values, 0).sum() / where.sum().clamp(min=1)
