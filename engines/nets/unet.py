"""U-Net (Ronneberger et al. 2015, arXiv 1505.04597), of any width.

As published but for three things that are usual today: convolutions keep the size, BatchNorm behind each, and a width
of 16 instead of 64 channels at full size.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from engines.nets.base import Net, conv_bn, initialise

DEPTH = 4  # times the size is halved


class UNet(Net):
    """Ronneberger et al. 2015: down and up with features of each size beside."""

    stride = 2**DEPTH
    defaults = {"width": 16}  # noqa: RUF012 a ClassVar in the base

    def __init__(self, classes: int, width: int = 16) -> None:
        super().__init__(classes)
        widths = [width * 2**level for level in range(DEPTH + 1)]
        self.first = _twice(3, width)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(nn.Sequential(nn.MaxPool2d(2, 2), _twice(few, many)) for few, many in pairs)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(many, few, 2, 2) for few, many in reversed(pairs))
        self.merge = nn.ModuleList(_twice(many, few) for few, many in reversed(pairs))
        self.head = nn.Conv2d(width, classes, 1)
        initialise(self)

    def features(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, width, h, w)."""
        levels = [self.first(x)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for grow, merge in zip(self.grow, self.merge, strict=True):
            x = merge(torch.cat([levels.pop(), grow(x)], 1))
        return x


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(conv_bn(inputs, outputs), conv_bn(outputs, outputs))
