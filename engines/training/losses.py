"""The losses of segmentation, by name, and their weighted sum.

Every loss takes logits (n, classes, h, w) and labels (n, h, w) int64 with VOID = 255 where nothing is known,
and gives one number: the mean over what is known, 0 where nothing is.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import Tensor

from engines.training import regression_losses as regression
from engines.training.regression_losses import one_hot
from pipeline.errors import ConfigError
from pipeline.types import VOID

if TYPE_CHECKING:
    from engines.training.config import LossConfig

LossFunction = Callable[..., Tensor]


def cross_entropy(logits: Tensor, labels: Tensor, *, weight: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """-log p of the true class, a mean weighted by class.

    Cross-entropy as of Long et al. 2015 (FCN), weighted as torch does: sum of w * loss over sum of w.
    `smoothing` spreads that share of the truth evenly over all classes (Szegedy et al. 2016).
    """
    known = labels != VOID
    if not known.any() or (weight is not None and not weight[labels[known]].any()):
        return logits.sum() * 0
    return F.cross_entropy(logits, labels, weight, ignore_index=VOID, label_smoothing=smoothing)


def binary_cross_entropy(logits: Tensor, labels: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """-(y log s + (1 - y) log(1 - s)) with s = sigmoid(logit), each class against the rest, averaged.

    Bernoulli likelihood, e.g. Goodfellow et al. 2016, 6.2.2.2. With one channel of logits, class 1 is the
    foreground and class 0 the background: binary masks.
    """
    known = labels != VOID
    if logits.shape[1] == 1:
        truth = (labels == 1).to(logits.dtype)[:, None]
    else:
        truth = one_hot(labels, logits.shape[1]).to(logits.dtype)
    loss = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    if weight is not None and logits.shape[1] > 1:
        loss = loss * weight[None, :, None, None]
    return (loss.mean(1) * known).sum() / known.sum().clamp(min=1)


def dice(logits: Tensor, labels: Tensor, *, weight: Tensor | None = None, smooth: float = 1.0) -> Tensor:
    """1 - (2 sum(p y) + s) / (sum(p) + sum(y) + s), averaged over the classes that are in the batch.

    Soft Dice, Milletari et al. 2016 (V-Net) without the squares, as in Sudre et al. 2017; s keeps small
    classes from dividing by nothing.
    """
    known = (labels != VOID)[:, None]
    truth = one_hot(labels, logits.shape[1])
    p = logits.softmax(1) * known
    y = truth.sum((0, 2, 3))
    overlap = (p * truth).sum((0, 2, 3))
    loss = 1 - (2 * overlap + smooth) / (p.sum((0, 2, 3)) + y + smooth)
    share = (y > 0).to(loss.dtype) * (1 if weight is None else weight)
    return (loss * share).sum() / share.sum().clamp(min=torch.finfo(loss.dtype).tiny)


def focal(logits: Tensor, labels: Tensor, *, weight: Tensor | None = None, gamma: float = 2.0) -> Tensor:
    """-(1 - p)^gamma log p, weighted by class: Lin et al. 2017 (RetinaNet), eq. 5, over a softmax; gamma 0 is
    cross-entropy summed with weights over the number of known pixels."""
    known = labels != VOID
    log_p = -F.cross_entropy(logits, labels, ignore_index=VOID, reduction="none")
    unsure = (1 - log_p.exp()).clamp(min=torch.finfo(log_p.dtype).tiny)  # at 0 a root has no gradient
    loss = -(unsure**gamma) * log_p
    if weight is not None:
        loss = loss * weight[labels.masked_fill(~known, 0)]
    return (loss * known).sum() / known.sum().clamp(min=1)


def lovasz(logits: Tensor, labels: Tensor, *, weight: Tensor | None = None, every_px: int = 1) -> Tensor:
    """The Lovász extension of 1 - IoU over the softmax errors, averaged over the classes that are there.

    Berman, Triki, Blaschko 2018 (The Lovász-Softmax loss), eq. 8 to 11 and algorithm 1. Sorting is what it
    costs: `every_px` takes only each such known pixel, beginning at a random one.
    """
    known = labels.reshape(-1) != VOID
    p = logits.softmax(1).permute(0, 2, 3, 1).reshape(-1, logits.shape[1])[known]
    y = labels.reshape(-1)[known]
    if every_px > 1:
        start = int(torch.randint(every_px, ()))
        p, y = p[start::every_px], y[start::every_px]
    losses, shares = [], []
    for k in torch.unique(y).tolist():
        foreground = (y == k).to(p.dtype)
        errors, order = (foreground - p[:, k]).abs().sort(descending=True)
        losses.append(errors @ _lovasz_gradient(foreground[order]))
        shares.append(1.0 if weight is None else float(weight[k]))
    if not losses:
        return logits.sum() * 0
    share = torch.tensor(shares, dtype=p.dtype, device=p.device)
    return (torch.stack(losses) * share).sum() / share.sum().clamp(min=torch.finfo(p.dtype).tiny)


def _lovasz_gradient(foreground: Tensor) -> Tensor:
    """Steps of 1 - IoU as pixels turn wrong in this order (algorithm 1 of the paper)."""
    total = foreground.sum()
    jaccard = 1 - (total - foreground.cumsum(0)) / (total + (1 - foreground).cumsum(0))
    return torch.cat((jaccard[:1], jaccard[1:] - jaccard[:-1]))


def ohem(
    logits: Tensor, labels: Tensor, *, weight: Tensor | None = None, threshold: float = 0.7, keep: float = 0.0625
) -> Tensor:
    """Cross-entropy over the hard pixels alone: those whose true class has p < threshold, and at least the
    hardest `keep` of them all.

    Shrivastava et al. 2016 (online hard example mining), per pixel as in Wu et al. 2016 (bootstrapped
    cross-entropy); 0.7 and a sixteenth as in Yu et al. 2018 (BiSeNet). Weighted like cross_entropy.
    """
    known = labels != VOID
    if not known.any():
        return logits.sum() * 0
    losses = F.cross_entropy(logits, labels, ignore_index=VOID, reduction="none")[known]
    least = max(1, int(keep * losses.numel()))
    limit = min(float(-torch.log(torch.tensor(threshold))), float(losses.detach().topk(least).values[-1]))
    hard = losses.detach() >= limit
    if weight is None:
        return losses[hard].mean()
    share = weight[labels[known][hard]]
    return (losses[hard] * share).sum() / share.sum().clamp(min=torch.finfo(losses.dtype).tiny)


LOSSES: dict[str, LossFunction] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "dice": dice,
    "focal": focal,
    "lovasz": lovasz,
    "ohem": ohem,
    "mse": regression.on_labels(regression.mse),
    "mae": regression.on_labels(regression.mae),
    "msle": regression.on_labels(regression.msle),
    "huber": regression.on_labels(regression.huber),
    "hinge": regression.hinge,
    "kl_divergence": regression.on_labels(regression.kl_divergence),
}


_SHARE = (lambda x: 0 <= x <= 1, "0 to 1")
_AMOUNT = (lambda x: x >= 0, "0 or more")
_RANGES: dict[str, tuple[Callable[[float], bool], str]] = {  # of every option: what it may be, in code and in words
    "smoothing": _SHARE,
    "threshold": _SHARE,
    "keep": _SHARE,
    "smooth": _AMOUNT,
    "gamma": _AMOUNT,
    "margin": _AMOUNT,
    "delta": (lambda x: x > 0, "more than 0"),
    "every_px": (lambda x: x >= 1 and isinstance(x, int), "a whole number from 1 on"),
}


def enet_weights(counts: Sequence[int], c: float = 1.02) -> tuple[float, ...]:
    """Weight of each class, 1 / ln(c + p), p its share of the training pixels: Paszke et al. 2016 (ENet), 5.2."""
    p = torch.tensor(counts, dtype=torch.float64)
    p = p / p.sum().clamp(min=1)
    return tuple((1 / torch.log(c + p)).tolist())


def weighted_sum(parts: Sequence[LossConfig], weight: Tensor | None) -> Callable[[Tensor, Tensor], Tensor]:
    """The sum of losses that a configuration asks for; class weights go to those that can take them.

    Raises:
        ConfigError: no such loss, or it has no such option; with the nearest name.
    """
    terms: list[tuple[float, LossFunction, dict[str, Any]]] = []
    for part in parts:
        if part.name not in LOSSES:
            raise ConfigError(f"losses: no loss is called {part.name}", hint=_nearest(part.name, LOSSES))
        function = LOSSES[part.name]
        named = {n for n, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY}
        known = named - {"weight", "where"}
        for option in part.options:
            if option not in known:
                hint = _nearest(option, known)
                raise ConfigError(f"losses: {part.name} has no option `{option}`", hint=hint)
            if not _RANGES[option][0](part.options[option]):
                said = f"{option} is {part.options[option]}, expected {_RANGES[option][1]}"
                raise ConfigError(f"losses: {part.name}: {said}")
        weighted = {"weight": weight} if "weight" in named and part.class_weights else {}
        terms.append((part.weight, function, dict(part.options) | weighted))

    def total(logits: Tensor, labels: Tensor) -> Tensor:
        # in float32 whatever the network ran in: a mean over 10^6 pixels needs it
        values = [share * function(logits.float(), labels, **options) for share, function, options in terms]
        return torch.stack(values).sum() if values else logits.sum() * 0

    return total


def _nearest(name: str, known: Sequence[str] | set[str] | dict[str, LossFunction]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted(known)) or 'none'}"
