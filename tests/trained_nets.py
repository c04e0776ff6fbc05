"""Networks with weights and statistics as training might leave them, and what their checkpoints say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NAMES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "person", "cyclist")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small tensors: threads would only wait for each other. For modules that import it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(name: str, seed: int = 0, **options: Any) -> Any:
    """A network in evaluation mode whose BatchNorms, slopes and biases are all different."""
    import torch
    from torch import nn

    from engines.nets import build_net

    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    net = build_net(name, len(NAMES), **options).eval()

    def spread(values: Any, low: float, high: float) -> None:
        values.data.copy_(low + (high - low) * torch.rand(values.shape, generator=generator))

    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            spread(module.running_mean, -0.3, 0.3)
            spread(module.running_var, 0.5, 2.0)
            spread(module.weight, -0.4, 1.2)  # below 0 as well: that turns the order of values round
            spread(module.bias, -0.3, 0.3)
        elif isinstance(module, nn.PReLU):
            spread(module.weight, -0.3, 0.9)
    _even(net, torch.nn.functional.interpolate(torch.randn(1, 3, 10, 14, generator=generator), scale_factor=16))
    return net


def _even(net: Any, x: Any) -> None:
    """Shift and scale the logits of each class, so that all classes come up and by what is seen."""
    import torch
    from torch import nn

    with torch.no_grad():
        logits = net(nn.functional.pad(x, (0, -x.shape[3] % net.stride, 0, -x.shape[2] % net.stride)))
        shift, gain = logits.mean((0, 2, 3)), 1 / logits.std((0, 2, 3))
        head = net.head[0] if isinstance(net.head, nn.Sequential) else net.head
        if isinstance(head, nn.Upsample):
            net.score_8.bias -= shift
            return
        pixels = head.bias.numel() // len(shift)
        shift, gain = shift.repeat_interleave(pixels), gain.repeat_interleave(pixels)
        across = 1 if isinstance(head, nn.ConvTranspose2d) else 0
        head.weight *= gain.reshape([-1 if axis == across else 1 for axis in range(4)])
        head.bias.copy_((head.bias - shift) * gain)


def about(net: Any) -> dict[str, Any]:
    """What a checkpoint says of itself."""
    return {
        "net": net.name,
        "options": net.options,
        "classes": {"names": list(NAMES), "colours": [[10 * n, 0, 255 - n] for n in range(len(NAMES))]},
        "input": {"scale": 1 / 255, "mean": list(MEAN), "std": list(STD), "colour": "rgb", "size_hw": [360, 480]},
        "data": {"train": "CamVid train"},
        "terms": "non-commercial: fitted on CamVid (academic use)",
        "val": "CamVid val",
        "mean_iou": 0.57612345,
        "iou": dict.fromkeys(NAMES, 0.5),
        "epoch": 7,
    }
