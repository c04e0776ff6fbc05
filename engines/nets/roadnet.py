"""RoadNet: a compact network for roads, made only of operators that every runtime has fast.

Own design, from these ideas: most of the depth at an eighth and a sixteenth of the size with dense 3x3 convolutions
of 16, 32, 64 channels, whole vector registers on a CPU, whole tiles on a GPU (no depthwise convolutions, which wait
for memory); a wide view by pairs of grouped convolutions of different dilations side by side (Gao 2021, RegSeg, arXiv
2111.09957); what the whole picture shows added to every place (Liu et al. 2015, ParseNet, arXiv 1506.04579); a branch
at a quarter of the size that keeps poles and signs; and the last step to full size inside a 1x1 convolution (pixel
shuffle, arXiv 1609.05158), so that an exported network compares classes before it shuffles pixels.
No unpooling, no PReLU: behind BatchNorm, which is folded away, there is nothing but ReLU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.nets.base import Net, SubpixelHead, conv_bn, initialise

GROUP = 16  # channels of one group of a grouped convolution: one vector register of floats


class Dense(nn.Module):
    """Two dense 3x3 convolutions beside a shortcut."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        second = conv_bn(channels, channels, dilation=dilation, relu=False)
        self.branch = nn.Sequential(conv_bn(channels, channels), second)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return functional.relu(x + self.branch(x))


class Wide(nn.Module):
    """A bottleneck whose 3x3 convolutions look near with one half of its channels and far with the other."""

    def __init__(self, channels: int, near: int, far: int) -> None:
        super().__init__()
        half = channels // 2
        # A reduction for each half, as splitting one costs a copy.
        self.near, self.far = (
            nn.Sequential(conv_bn(channels, half, 1), conv_bn(half, half, dilation=dilation, groups=half // GROUP))
            for dilation in (near, far)
        )
        self.expand = conv_bn(channels, channels, 1, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return functional.relu(x + self.expand(torch.cat([self.near(x), self.far(x)], 1)))


class Context(nn.Module):
    """What the whole picture shows, added to every place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return functional.relu(x + self.project(x))


class RoadNet(Net):
    """Ours: wide view at a sixteenth, details at a quarter, pixel shuffle to full size."""

    stride = 16

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.to_2 = conv_bn(3, 16, stride=2)
        self.to_4 = nn.Sequential(conv_bn(16, 32, stride=2), Dense(32))
        self.to_8 = nn.Sequential(conv_bn(32, 64, stride=2), Dense(64), Dense(64, dilation=2))
        self.to_16 = nn.Sequential(
            conv_bn(64, 128, stride=2),
            Wide(128, 1, 2),
            Wide(128, 1, 4),
            Wide(128, 2, 8),
            Wide(128, 1, 12),
            Context(128),
        )
        self.down = conv_bn(128, 64, 1, relu=False)
        self.side_8 = conv_bn(64, 64, 1, relu=False)
        self.mix_8 = nn.Sequential(conv_bn(64, 48), nn.Dropout2d(0.05))
        self.bring = conv_bn(48, 32, 1, relu=False)
        self.side_4 = conv_bn(32, 32, 1, relu=False)
        self.mix_4 = conv_bn(32, 64)
        self.grow = nn.Upsample(scale_factor=2, mode="bilinear")
        self.head = SubpixelHead(64, classes, 4)
        initialise(self)
        self.head.start()

    def features(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, 64, h/4, w/4)."""
        at_4 = self.to_4(self.to_2(x))
        at_8 = self.to_8(at_4)
        wide = self.grow(self.down(self.to_16(at_8)))
        mixed = self.mix_8(functional.relu(wide + self.side_8(at_8)))
        fine = functional.relu(self.grow(self.bring(mixed)) + self.side_4(at_4))
        features: Tensor = self.mix_4(fine)
        return features
