"""Networks with weights and statistics as training might leave them, and what their checkpoints say."""

from __future__ import annotations

from typing import Any

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NAMES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "person", "cyclist")


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
    with torch.no_grad():
        features = net.features(torch.randn(1, 3, 2 * net.stride, 2 * net.stride, generator=generator))
        for parameter in net.head.parameters():  # so that classes come up by what is seen, not by a bias
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / features.std())
    return net


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
        "iou": {name: 0.5 for name in NAMES},
        "epoch": 7,
    }
