"""All random generators at once: begin, and their states as plain values that a state file may hold."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def seed(number: int) -> None:
    """Begin anew, all of them."""
    torch.manual_seed(number)
    np.random.seed(number % 2**32)
    random.seed(number)


def capture() -> dict[str, Any]:
    """The states of torch (CPU and CUDA), NumPy and Python."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    kept = torch.from_numpy(np.asarray(keys).astype(np.int64))
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [kind, kept, int(position), int(has_gauss), float(gauss)],
        "python": random.getstate(),
    }


def restore(states: Mapping[str, Any]) -> None:
    """Go on where `capture` was."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
