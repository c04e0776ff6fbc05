"""ENet (Paszke et al. 2016, arXiv 1606.02147), as published.

Where the paper leaves a choice, the authors' own code decides: PReLU with a slope per feature map in the encoder,
plain ReLU in the decoder; no dropout in the decoder; max-pooling indices of the bottlenecks 2.0 and 1.0 for the two
unpoolings; the main branch goes through a 1x1 convolution with BatchNorm before it is unpooled; a 2x2 transposed
convolution of stride 2 last. Biases in front of a BatchNorm, which takes them away again, are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.nets.base import Net, initialise

EPS = 1e-3  # of every BatchNorm, as in the authors' code
SHRINK = 4  # a bottleneck works on a quarter of its output's channels


class MaxPool(nn.Module):
    """The largest of 2x2 and where it was."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, c, h, w) -> (n, c, h/2, w/2) and where each was, for MaxUnpool."""
        pooled, where = functional.max_pool2d(x, 2, 2, return_indices=True)
        return pooled, where


class MaxUnpool(nn.Module):
    """Each value back to the place where its MaxPool found the largest, 0 elsewhere."""

    def forward(self, x: Tensor, where: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, 2h, 2w)."""
        return functional.max_unpool2d(x, where, [2, 2], [2, 2])


class InitialBlock(nn.Module):
    """13 feature maps of a convolution beside the 3 colours, pooled; half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 13, 3, 2, 1, bias=False)
        self.pool = nn.MaxPool2d(2, 2)
        self.norm = nn.BatchNorm2d(16, EPS)
        self.activation = nn.PReLU(16)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, 16, h/2, w/2)."""
        return _tensor(self.activation(self.norm(torch.cat([self.conv(x), self.pool(x)], 1))))


class Bottleneck(nn.Module):
    """A residual block of the encoder or, with ReLU and without dropout, of the decoder."""

    def __init__(
        self, channels: int, dropout: float = 0.0, *, dilation: int = 1, asymmetric: int = 0, relu: bool = False
    ) -> None:
        super().__init__()
        inside = channels // SHRINK
        if asymmetric:
            half = asymmetric // 2
            middle = [
                nn.Conv2d(inside, inside, (1, asymmetric), padding=(0, half), bias=False),
                nn.Conv2d(inside, inside, (asymmetric, 1), padding=(half, 0), bias=False),
            ]
        else:
            middle = [nn.Conv2d(inside, inside, 3, padding=dilation, dilation=dilation, bias=False)]
        self.branch = nn.Sequential(
            nn.Conv2d(channels, inside, 1, bias=False),
            nn.BatchNorm2d(inside, EPS),
            _activation(inside, relu),
            *middle,
            nn.BatchNorm2d(inside, EPS),
            _activation(inside, relu),
            nn.Conv2d(inside, channels, 1, bias=False),
            nn.BatchNorm2d(channels, EPS),
            nn.Dropout2d(dropout) if dropout else nn.Identity(),
        )
        self.activation = _activation(channels, relu)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return _tensor(self.activation(x + self.branch(x)))


class DownBottleneck(nn.Module):
    """Half the size: pooled in the main branch, whose channels are filled up with zeros."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        inside = outputs // SHRINK
        self.more = outputs - inputs
        self.pool = MaxPool()
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, inside, 2, 2, bias=False),
            nn.BatchNorm2d(inside, EPS),
            nn.PReLU(inside),
            nn.Conv2d(inside, inside, 3, padding=1, bias=False),
            nn.BatchNorm2d(inside, EPS),
            nn.PReLU(inside),
            nn.Conv2d(inside, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs, EPS),
            nn.Dropout2d(dropout),
        )
        self.activation = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, inputs, h, w) -> (n, outputs, h/2, w/2) and where the largest were."""
        pooled, where = self.pool(x)
        filled = functional.pad(pooled, (0, 0, 0, 0, 0, self.more))
        return self.activation(filled + self.branch(x)), where


class UpBottleneck(nn.Module):
    """Twice the size: unpooled in the main branch to where a DownBottleneck found its largest."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        inside = outputs // SHRINK
        self.main = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs, EPS))
        self.unpool = MaxUnpool()
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, inside, 1, bias=False),
            nn.BatchNorm2d(inside, EPS),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(inside, inside, 3, 2, 1, 1, bias=False),
            nn.BatchNorm2d(inside, EPS),
            nn.ReLU(inplace=True),
            nn.Conv2d(inside, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs, EPS),
        )

    def forward(self, x: Tensor, where: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, 2h, 2w)."""
        return functional.relu(self.unpool(self.main(x), where) + self.branch(x))


class Encoder(nn.Module):
    """Image to features at an eighth of its size; a network part of its own, trained first."""

    channels = 128

    def __init__(self) -> None:
        super().__init__()
        self.initial = InitialBlock()
        self.down1 = DownBottleneck(16, 64, 0.01)
        self.stage1 = nn.Sequential(*(Bottleneck(64, 0.01) for _ in range(4)))
        self.down2 = DownBottleneck(64, 128, 0.1)
        self.stage2 = _dilated_stage()
        self.stage3 = _dilated_stage()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, 3, h, w) -> (n, 128, h/8, w/8), and where the poolings 1.0 and 2.0 found their largest."""
        x, where1 = self.down1(self.initial(x))
        x, where2 = self.down2(self.stage1(x))
        return self.stage3(self.stage2(x)), where1, where2


class ENetStageOne(Net):
    """ENet's encoder with a classifier, for the first stage of training.

    `enet.encoder.load_state_dict(stage_one.encoder.state_dict())` begins the second. `scores` are the logits at an
    eighth of the size that the paper trains on; forward enlarges them bilinearly.
    """

    stride = 8

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.encoder = Encoder()
        self.classifier = nn.Conv2d(Encoder.channels, classes, 1)
        self.head = nn.Upsample(scale_factor=8, mode="bilinear")
        _start(self)

    def scores(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> logits (n, classes, h/8, w/8)."""
        return _tensor(self.classifier(self.encoder(x)[0]))

    features = scores


class ENet(Net):
    """Paszke et al. 2016: encoder with dilations, small decoder with unpooling."""

    stride = 8

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.encoder = Encoder()
        self.up4 = UpBottleneck(128, 64)
        self.stage4 = nn.Sequential(Bottleneck(64, relu=True), Bottleneck(64, relu=True))
        self.up5 = UpBottleneck(64, 16)
        self.stage5 = Bottleneck(16, relu=True)
        self.head = nn.ConvTranspose2d(16, classes, 2, 2)
        _start(self)

    def features(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, 16, h/2, w/2)."""
        x, where1, where2 = self.encoder(x)
        x = self.stage4(self.up4(x, where2))
        return _tensor(self.stage5(self.up5(x, where1)))


def _dilated_stage() -> nn.Sequential:
    """Bottlenecks 2.1 to 2.8."""
    return nn.Sequential(
        Bottleneck(128, 0.1),
        Bottleneck(128, 0.1, dilation=2),
        Bottleneck(128, 0.1, asymmetric=5),
        Bottleneck(128, 0.1, dilation=4),
        Bottleneck(128, 0.1),
        Bottleneck(128, 0.1, dilation=8),
        Bottleneck(128, 0.1, asymmetric=5),
        Bottleneck(128, 0.1, dilation=16),
    )


def _start(net: nn.Module) -> None:
    """Fresh weights; each bottleneck begins as its main branch alone, its last BatchNorm at 0 (Goyal et al. 2017,
    arXiv 1706.02677, 5.1): it then learns in less than two thirds of the steps."""
    initialise(net)
    for module in net.modules():
        if isinstance(module, Bottleneck | DownBottleneck | UpBottleneck):
            last = [layer for layer in module.branch if isinstance(layer, nn.BatchNorm2d)][-1]
            nn.init.zeros_(last.weight)


def _activation(channels: int, relu: bool) -> nn.Module:
    return nn.ReLU(inplace=True) if relu else nn.PReLU(channels)


def _tensor(x: Tensor) -> Tensor:
    """What a module returned, which is typed as anything."""
    return x
