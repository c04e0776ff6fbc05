"""Weights on disk: safetensors with everything needed to use them, and the state to go on training.

Nothing is unpickled: safetensors holds only tensors, and the state is read with weights_only=True.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from engines.model_file import write_model
from pipeline.errors import ModelError

if TYPE_CHECKING:
    from engines.nets.base import Net

_KEY = "dashmask"


def save_checkpoint(path: Path, net: nn.Module, about: Mapping[str, Any]) -> None:
    """Write a network's weights with `about` (plain JSON) beside them in one file; whole or not at all.

    The net's own `name` and `options` go into `about` as "net" and "options". ModelError where it cannot be written.
    """
    whole = {"net": getattr(net, "name", ""), "options": getattr(net, "options", {}), **about}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    write_model(save(tensors, {_KEY: json.dumps(whole)}), path)


def read_about(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself: net, options, classes, input, data, terms, mean IoU, epoch."""
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: cannot be read as safetensors: {error}") from error
    if text is None:
        raise ModelError(f"{path}: safetensors without what we write beside the weights", hint="not a file of ours")
    about: dict[str, Any] = json.loads(text)
    return about


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, on the CPU."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: cannot be read as safetensors: {error}") from error


def load_checkpoint(path: Path) -> tuple[Net, dict[str, Any]]:
    """The network of a checkpoint, in eval mode on the CPU, and what the file says of it.

    Raises:
        ModelError: missing, broken, of another program, or of a net that has changed since.
    """
    from engines.nets import build_net

    about = read_about(path)
    net = build_net(about["net"], len(about["classes"]["names"]), **about["options"])
    try:
        net.load_state_dict(read_weights(path))
    except RuntimeError as error:
        raise ModelError(f"{path}: its weights do not fit the net {about['net']}: {error}") from error
    return net.eval(), about


def begin_from(net: nn.Module, path: Path) -> tuple[int, int]:
    """Take over every tensor of a checkpoint that has the same name and shape: how fine-tuning begins.

    Returns:
        how many tensors were taken, and how many the net has.

    Raises:
        ModelError: none fits.
    """
    own, theirs = net.state_dict(), read_weights(path)
    fitting = {name: t for name, t in theirs.items() if name in own and own[name].shape == t.shape}
    if not fitting:
        raise ModelError(f"{path}: none of its weights fits this net", hint="net.init must be of the same net")
    net.load_state_dict(fitting, strict=False)
    return len(fitting), len(own)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of training; whole or not at all. ModelError where it cannot be written."""
    file = io.BytesIO()
    torch.save(dict(state), file)
    write_model(file.getvalue(), path)


def load_state(path: Path) -> dict[str, Any]:
    """What save_state wrote, on the CPU; only tensors and plain values are accepted.

    Raises:
        ModelError: missing or broken.
    """
    import pickle

    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no state to resume from", hint="leave --resume away to begin") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ModelError(
            f"{path}: not a state of training, or damaged", hint="begin anew: without --resume, with another --out"
        ) from error
    return state
