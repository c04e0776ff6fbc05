"""Exact rewrites of a trained torch network into what runtimes have and run fast.

BatchNorm goes into the convolution before it. Max-unpooling, which TensorRT refuses and CUDA lacks in ONNX Runtime,
becomes a choice among the four pixels of each 2x2 block. PReLU becomes a sum. Classes are compared before pixels are
shuffled to full size. BatchNorm and PReLU change rounding; all else gives the very same numbers.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engines.nets.base import Net, SubpixelHead
from engines.nets.enet import InitialBlock, MaxPool, MaxUnpool
from engines.phases import PhasePool, PhaseUnpool


class PReLU(nn.Module):
    """PReLU as a x + max((1 - a) x, 0): sums of scaled channels, which CPUs keep in the layout of their convolutions.

    Where a slope a is above 1, as a x + (1 - a) max(x, 0). Rounding differs from torch's in the last place.
    """

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.slope, self.rest = _scaling(slope), _scaling(1 - slope)
        self.below_one = bool((slope <= 1).all())

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        rest = functional.relu(self.rest(x)) if self.below_one else self.rest(functional.relu(x))
        return cast(Tensor, self.slope(x) + rest)


def _scaling(factors: Tensor) -> nn.Conv2d:
    """Each channel times its factor; engines.scalings has it as a product where that is faster."""
    channels = len(factors)
    scaling = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
    scaling.weight.data = factors.reshape(channels, 1, 1, 1).clone()
    return scaling


class FoldedInitialBlock(nn.Module):
    """InitialBlock with BatchNorm in the convolution; the pooled colours are scaled by themselves."""

    def __init__(self, block: InitialBlock, activation: nn.Module) -> None:
        super().__init__()
        norm = block.norm
        assert norm.running_var is not None
        assert norm.running_mean is not None
        gain = norm.weight.data / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias.data - norm.running_mean * gain
        maps = block.conv.out_channels
        self.conv = nn.Conv2d(3, maps, 3, 2, 1)
        self.conv.weight.data = block.conv.weight.data * gain[:maps, None, None, None]
        assert self.conv.bias is not None
        self.conv.bias.data = shift[:maps]
        self.pool, self.activation = block.pool, activation
        self.gain = nn.Parameter(gain[maps:, None, None])
        self.shift = nn.Parameter(shift[maps:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, 16, h/2, w/2)."""
        pooled = self.pool(x) * self.gain + self.shift
        return cast(Tensor, self.activation(torch.cat([self.conv(x), pooled], 1)))


class LabelHead(nn.Module):
    """The class with the largest logit, (n, h, w) uint8; of equal ones the first.

    Where the last step of the network is a pixel shuffle, or a transposed convolution whose kernel is its stride (a
    1x1 convolution and a pixel shuffle, then), classes are compared first and only labels are shuffled.

    Args:
        head: the last step of the network.
        classes: how many.
        size_hw: height and width of the labels where they are known, so that no sizes are computed in the graph.
    """

    def __init__(self, head: nn.Module, classes: int, size_hw: tuple[int, int] | None) -> None:
        super().__init__()
        self.scale, self.classes, self.size_hw = 1, classes, size_hw
        self.before = head
        if isinstance(head, SubpixelHead):
            self.scale, self.before = head.scale, head[0]
        elif isinstance(head, nn.ConvTranspose2d) and _is_subpixel(head):
            self.scale, self.before = head.stride[0], _as_pointwise(head)

    def forward(self, x: Tensor) -> Tensor:
        """What the network's `features` gives -> labels."""
        logits: Tensor = self.before(x)
        scale = self.scale
        if scale == 1:
            return logits.argmax(1).to(torch.uint8)
        n, _, height, width = logits.shape
        if self.size_hw is not None:
            n, height, width = 1, self.size_hw[0] // scale, self.size_hw[1] // scale
        cells = logits.reshape(n, self.classes, scale * scale * height, width).argmax(1)
        pixels = cells.to(torch.int32).reshape(n, scale, scale, height, width).permute(0, 3, 1, 4, 2)
        return pixels.reshape(n, height * scale, width * scale).to(torch.uint8)


class Deployed(nn.Module):
    """A network as it is exported: pixels in, labels or logits out.

    Args:
        net: as trained; it is copied.
        scaling: scale, mean, std of x = (pixel * scale - mean) / std, done here; None: the input is x.
        half: compute in float16 behind the scaling.
        logits: give these, float32, instead of labels.
        size_hw: the one size that it will take, with n = 1; None: any.
    """

    def __init__(
        self,
        net: Net,
        scaling: tuple[float, tuple[float, ...], tuple[float, ...]] | None = None,
        *,
        half: bool = False,
        logits: bool = False,
        size_hw: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.net = deployable(net)
        self.head = self.net.head if logits else LabelHead(self.net.head, net.classes, size_hw)
        self.half_inside, self.logits = half, logits
        if half:
            self.half()
        self.gain = self.shift = None
        if scaling is not None:
            scale, mean, std = scaling
            self.gain = torch.tensor([scale / s for s in std], dtype=torch.float32)[:, None, None]
            self.shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)])[:, None, None]

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) float32 -> labels (n, h, w) uint8, or logits (n, classes, h, w) float32."""
        if self.gain is not None and self.shift is not None:
            x = x * self.gain + self.shift
        out: Tensor = self.head(self.net.features(x.half() if self.half_inside else x))
        return out.float() if self.logits else out


def deployable(net: Net) -> Net:
    """A copy of a network, in evaluation mode, for the CPU and in float32, rewritten as this module says."""
    made = copy.deepcopy(net).cpu().float().eval()
    _rewrite(made)
    for parameter in made.parameters():
        parameter.requires_grad_(False)
    return made


def _rewrite(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        _rewrite(child)
        setattr(module, name, _rewritten(child))
    if type(module) is nn.Sequential:
        _fold(module)


def _rewritten(module: nn.Module) -> nn.Module:
    match module:
        case InitialBlock():
            return FoldedInitialBlock(module, module.activation)
        case MaxPool():
            return PhasePool()
        case MaxUnpool():
            return PhaseUnpool()
        case nn.PReLU():
            return PReLU(module.weight.data)
        case nn.Dropout() | nn.Dropout2d():
            return nn.Identity()
    return module


def _fold(chain: nn.Sequential) -> None:
    """Each BatchNorm into the convolution right before it."""
    layers: list[nn.Module] = []
    for layer in chain:
        if isinstance(layer, nn.BatchNorm2d) and layers and isinstance(layers[-1], nn.Conv2d | nn.ConvTranspose2d):
            transposed = isinstance(layers[-1], nn.ConvTranspose2d)
            layers[-1] = fuse_conv_bn_eval(cast(nn.Conv2d, layers[-1]), layer, transpose=transposed)
        elif not isinstance(layer, nn.Identity):
            layers.append(layer)
    for name in list(chain._modules):
        del chain._modules[name]
    for number, layer in enumerate(layers):
        chain.add_module(str(number), layer)


def _is_subpixel(head: nn.ConvTranspose2d) -> bool:
    scale = head.stride[0]
    same = head.kernel_size == head.stride == (scale, scale)
    return same and head.groups == 1 and head.padding == head.output_padding == (0, 0) and head.dilation == (1, 1)


def _as_pointwise(head: nn.ConvTranspose2d) -> nn.Conv2d:
    """The 1x1 convolution whose channel class * scale^2 + row * scale + column is that pixel of the cell."""
    inputs, classes, height, width = head.weight.shape
    conv = nn.Conv2d(inputs, classes * height * width, 1, bias=head.bias is not None)
    conv.weight.data = head.weight.data.permute(1, 2, 3, 0).reshape(-1, inputs, 1, 1).contiguous()
    if conv.bias is not None and head.bias is not None:
        conv.bias.data = head.bias.data.repeat_interleave(height * width)
    return conv
