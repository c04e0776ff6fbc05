"""How big a network is and how much it computes. Counted by watching one forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one network, for one picture."""

    parameters: int  # weights that are learned; BatchNorm's running figures are none
    macs: int  # multiplications with addition, of convolutions; everything else is left out
    size_hw: tuple[int, int]  # of the input, pixels

    @property
    def gflop(self) -> float:
        """Operations in thousand millions: 2 per multiplication with addition."""
        return 2 * self.macs / 1e9


def cost(net: nn.Module, size_hw: tuple[int, int] = (360, 640)) -> Cost:
    """Parameters and operations of a network at a size.

    Args:
        net: takes (1, 3, h, w). Nothing is computed: it runs on torch's device `meta`, in a copy.
        size_hw: height and width of the input, pixels. They need not be multiples of the network's stride: it is run
            at the next larger size that it takes, and operations are scaled down by area.

    Returns:
        Cost. Transposed convolutions count what they multiply: each input once with each weight of its kernel.
    """
    import copy

    import torch

    stride = int(getattr(net, "stride", 1))
    height, width = (-(-side // stride) * stride for side in size_hw)
    counted = 0

    def watch(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal counted
        if isinstance(module, nn.ConvTranspose2d):
            counted += inputs[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Conv2d):
            counted += output.numel() * module.weight[0].numel()

    empty = copy.deepcopy(net).to("meta").eval()
    hooks: list[Any] = [
        module.register_forward_hook(watch)
        for module in empty.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with torch.no_grad():
        empty(torch.empty(1, 3, height, width, device="meta"))
    for hook in hooks:
        hook.remove()
    parameters = sum(parameter.numel() for parameter in net.parameters())
    macs = round(counted * size_hw[0] * size_hw[1] / (height * width))
    return Cost(parameters, macs, size_hw)
