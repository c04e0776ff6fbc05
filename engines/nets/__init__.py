"""Networks of our own, in torch: built by name, so that a checkpoint can say which one it holds."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from engines.nets.base import Net

NETS: Mapping[str, str] = MappingProxyType(
    {
        "roadnet": "engines.nets.roadnet:RoadNet",
        "enet": "engines.nets.enet:ENet",
        "enet-encoder": "engines.nets.enet:ENetStageOne",
        "unet": "engines.nets.unet:UNet",
        "fcn": "engines.nets.fcn:FCN",
    }
)


def build_net(name: str, classes: int, **options: Any) -> Net:
    """A network with fresh weights, in training mode.

    Args:
        name: a key of NETS.
        classes: how many; the channels of the logits.
        options: of that network; they come back as `net.options`.

    Returns:
        Net: (n, 3, h, w) float32 RGB, normalised, h and w multiples of `net.stride` -> (n, classes, h, w) logits.

    Raises:
        ConfigError: an unknown name or option, no class at all, or torch is not installed.
    """
    if name not in NETS:
        near = difflib.get_close_matches(name, NETS, 1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(NETS)}"
        raise ConfigError(f"there is no network `{name}`", hint=hint)
    if not 1 <= classes <= 255:
        raise ConfigError(f"a network of {classes} classes: expected 1 to 255")
    module, _, kind = NETS[name].partition(":")
    try:
        import torch  # noqa: F401 a network's module needs it; a missing one is told in one sentence
    except ImportError as error:
        raise ConfigError(f"torch cannot be imported: {error}", hint="pip install torch") from error
    made = getattr(import_module(module), kind)
    known = made.defaults
    for option, value in options.items():
        if option not in known:
            hint = f"its options are {', '.join(known)}" if known else "it has none"
            raise ConfigError(f"the network {name} has no option `{option}`", hint=hint)
        if type(value) is not type(known[option]) or value <= 0:
            raise ConfigError(f"the network {name}: {option} is {value!r}, expected such as {known[option]!r}")
    net: Net = made(classes, **options)
    net.name, net.options = name, dict(options)
    return net
