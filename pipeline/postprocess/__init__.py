"""From a network's outputs to what is where in source pixels; network pixels never leave this stage.

A model family is one file and one line in FAMILIES.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.config import DecodeConfig
from pipeline.errors import ConfigError, ModelError
from pipeline.types import Card, Classes, Inferred, Instances, Labels

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "semantic": "pipeline.postprocess.semantic:Semantic",
        "yolo-seg": "pipeline.postprocess.yolo_seg:YoloSeg",
    }
)


class Decoder(Protocol):
    """Reads the outputs of one model. Several threads may use it at once."""

    def decode(self, inferred: Inferred) -> Instances | Labels:
        """What the network said, in source pixels; new arrays.

        Raises:
            ModelError: outputs that do not fit the card.
        """
        ...

    @property
    def chosen(self) -> NDArray[np.bool_] | None:
        """Which classes are kept, (classes,), where a GPU may decode the same; None: only this decoder can."""
        ...


class Replaceable:
    """A decoder that another one may take the place of while frames come; each frame is read by one of them.

    Args:
        now: the first.
        conf: least score of an object that is shown, 0..1; the decoder itself may look further down.
    """

    def __init__(self, now: Decoder, conf: float) -> None:
        self._now = now, conf

    @property
    def conf(self) -> float:
        """Least score of an object that is shown, 0..1."""
        return self._now[1]

    def decode(self, inferred: Inferred) -> Instances | Labels:
        """See Decoder."""
        return self._now[0].decode(inferred)

    def replace(self, other: Decoder, conf: float) -> None:
        """Use another one from the next frame on; legal from any thread."""
        self._now = other, conf


def decoder(card: Card, config: DecodeConfig) -> Decoder:
    """The decoder of a model's family.

    Raises:
        ModelError: an unknown family, or outputs that the family cannot read.
        ConfigError: config.classes names a class that the model does not have.
    """
    if card.family not in FAMILIES:
        raise ModelError(
            f"{card.name}: unknown family {card.family!r}, expected one of {', '.join(sorted(FAMILIES))}",
            hint="state the family in the model's card",
        )
    module, _, name = FAMILIES[card.family].partition(":")
    return cast(Decoder, getattr(import_module(module), name)(card, config))


def chosen_classes(classes: Classes, names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which classes are asked for, (number of classes,) bool; no names: all.

    Raises:
        ConfigError: a name that is not among the classes.
    """
    for name in names:
        if name not in classes.names:
            near = get_close_matches(name, classes.names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(classes.names)}"
            raise ConfigError(f"the model has no class {name!r}", hint=hint)
    return np.array([not names or name in names for name in classes.names], np.bool_)
