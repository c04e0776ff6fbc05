"""The learning rate over the steps, and which weights decay."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from torch import nn


def lr_factor(step: int, steps: int, warmup_steps: int, final: float) -> float:
    """What the learning rate is multiplied by at a step (from 0): a straight rise to 1, then a cosine to `final`.

    Warm-up of Goyal et al. 2017, cosine of Loshchilov and Hutter 2017 (SGDR) without restarts. A function of
    the step alone: nothing has to be stored to resume.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, steps - warmup_steps))
    return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2


def decay_groups(net: nn.Module, weight_decay: float) -> Iterable[dict[str, Any]]:
    """Parameters for AdamW in two groups: kernels decay; biases, norms and PReLU slopes do not."""
    kernels = [p for p in net.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in net.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
