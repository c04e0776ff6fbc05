"""FCN-8s (Long et al. 2015, arXiv 1411.4038) on a small residual backbone.

Scores at an eighth, a sixteenth and a 32nd of the size are summed from the coarsest up. The two steps of times two
begin as bilinear interpolation and are learned; the last, times eight, stays bilinear, as in the paper.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.nets.base import Net, conv_bn, initialise


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2015, arXiv 1512.03385, ResNet's basic block)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(conv_bn(inputs, outputs, stride=stride), conv_bn(outputs, outputs, relu=False))
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv_bn(inputs, outputs, 1, stride=stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h/stride, w/stride)."""
        return functional.relu(self.shortcut(x) + self.branch(x))


class FCN(Net):
    """Long et al. 2015: FCN-8s on a small residual backbone."""

    stride = 32
    defaults = {"width": 32}  # noqa: RUF012 a ClassVar in the base

    def __init__(self, classes: int, width: int = 32) -> None:
        super().__init__(classes)
        w = width
        self.stem = nn.Sequential(conv_bn(3, w // 2, stride=2), conv_bn(w // 2, w, stride=2))
        self.to_8 = nn.Sequential(Residual(w, w, 1), Residual(w, 2 * w, 2))
        self.to_16 = nn.Sequential(Residual(2 * w, 2 * w, 1), Residual(2 * w, 4 * w, 2))
        self.to_32 = nn.Sequential(Residual(4 * w, 4 * w, 1), Residual(4 * w, 8 * w, 2), nn.Dropout2d(0.1))
        self.score_8, self.score_16, self.score_32 = (nn.Conv2d(k * w, classes, 1) for k in (2, 4, 8))
        self.grow_32 = nn.ConvTranspose2d(classes, classes, 4, 2, 1, bias=False)
        self.grow_16 = nn.ConvTranspose2d(classes, classes, 4, 2, 1, bias=False)
        self.head = nn.Upsample(scale_factor=8, mode="bilinear")
        initialise(self)
        for score in (self.score_8, self.score_16, self.score_32):
            nn.init.normal_(score.weight, std=0.01)
        for grow in (self.grow_32, self.grow_16):
            _bilinear(grow)

    def features(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> logits (n, classes, h/8, w/8)."""
        at_8 = self.to_8(self.stem(x))
        at_16 = self.to_16(at_8)
        scores = self.score_16(at_16) + self.grow_32(self.score_32(self.to_32(at_16)))
        both: Tensor = self.score_8(at_8) + self.grow_16(scores)
        return both


def _bilinear(grow: nn.ConvTranspose2d) -> None:
    """Bilinear interpolation by two, each class by itself."""
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25])
    nn.init.zeros_(grow.weight)
    for channel in range(grow.in_channels):
        grow.weight.data[channel, channel] = ramp[:, None] * ramp
