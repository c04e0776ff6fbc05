"""What every network of ours is, and the pieces that several are made of."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn


class Net(nn.Module):
    """A semantic segmentation network: (n, 3, h, w) float32 -> logits (n, classes, h, w).

    The last step is `head`, so that an export can do that one differently: it takes what `features` gives.
    """

    stride: ClassVar[int]  # h and w must be multiples of it
    defaults: ClassVar[dict[str, Any]] = {}  # options and their usual values
    name: str = ""
    options: dict[str, Any]
    head: nn.Module

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.options = {}

    def features(self, x: Tensor) -> Tensor:
        """What the head makes logits of."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Logits at the size of the input."""
        logits: Tensor = self.head(self.features(x))
        return logits


class SubpixelHead(nn.Sequential):
    """Logits by a 1x1 convolution to all pixels of a cell and a pixel shuffle (Shi et al. 2016, arXiv 1609.05158).

    All pixels of a cell begin with the same weights, so that no grid is seen at first (Aitken et al. 2017,
    arXiv 1707.02937).
    """

    def __init__(self, channels: int, classes: int, scale: int) -> None:
        super().__init__(nn.Conv2d(channels, classes * scale**2, 1), nn.PixelShuffle(scale))
        self.scale = scale

    def start(self) -> None:
        """Give all pixels of a cell the same weights."""
        conv = self[0]
        assert isinstance(conv, nn.Conv2d)
        assert conv.bias is not None
        same = conv.weight.data[:: self.scale**2]
        nn.init.normal_(same, std=0.01)
        conv.weight.data.copy_(same.repeat_interleave(self.scale**2, 0))
        conv.bias.data.zero_()


def conv_bn(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    relu: bool = True,
) -> nn.Sequential:
    """Convolution that keeps the size (or divides it by stride), BatchNorm and, unless told otherwise, ReLU."""
    padding = dilation * (kernel - 1) // 2
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *([nn.ReLU(inplace=True)] if relu else []))


def initialise(net: nn.Module) -> None:
    """Weights for layers that are followed by ReLU (He et al. 2015, arXiv 1502.01852); the rest neutral."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            # The variance of what goes forward is kept; a transposed convolution sums over inputs / stride^2 terms.
            fan = module.weight[0].numel() if isinstance(module, nn.Conv2d) else _fan_in(module)
            nn.init.normal_(module.weight, std=(2 / fan) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


def _fan_in(module: nn.ConvTranspose2d) -> float:
    height, width = module.kernel_size[0] / module.stride[0], module.kernel_size[1] / module.stride[1]
    return module.in_channels / module.groups * height * width
