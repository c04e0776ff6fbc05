"""The running average of a network's weights, which is what is validated and kept."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Ema:
    """Exponential moving average of parameters and buffers (Polyak and Juditsky 1992; Tarvainen and Valpola 2017).

    BatchNorm's running figures are averaged as well: they belong to the averaged weights. Whole-number
    buffers are copied. The decay begins low, (1 + n) / (10 + n), so that the start is soon forgotten.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.net = copy.deepcopy(net).eval()
        for parameter in self.net.parameters():
            parameter.requires_grad_(False)

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Take in the weights after a step."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        ours, theirs = list(self.net.state_dict().values()), list(net.state_dict().values())
        floats = [i for i, tensor in enumerate(ours) if tensor.is_floating_point()]
        torch._foreach_lerp_([ours[i] for i in floats], [theirs[i] for i in floats], 1 - decay)
        for mine, other in zip(ours, theirs, strict=True):
            if not mine.is_floating_point():
                mine.copy_(other)

    def state(self) -> dict[str, int | dict[str, Tensor]]:
        """What `restore` takes."""
        return {"steps": self.steps, "net": self.net.state_dict()}

    def restore(self, steps: int, net: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.steps = steps
        self.net.load_state_dict(net)
