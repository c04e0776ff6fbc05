"""Whether a network was fitted on the very pictures that it is to be scored on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.types import Card

_SET = re.compile(r"(?P<name>\S+) (?P<splits>\S+), ")  # as `dashmask train` writes it: camvid train+val, 468 pictures


def trained_on(cards: Sequence[Card], dataset: str, split: str) -> tuple[str, ...]:
    """A sentence for each network whose card says so: what is measured then is no measure of how good it is."""
    said = []
    for card in cards:
        told = card.details.get("training_data")
        sets = [_SET.match(str(one)) for one in (told if isinstance(told, list | tuple) else [told])]
        if any(one and one["name"] == dataset and _common(one["splits"], split) for one in sets):
            said.append(f"{card.name} was trained on {dataset} {split}: these figures say nothing of other pictures")
    return tuple(said)


def _common(one: str, other: str) -> set[str]:
    return set(one.split("+")) & set(other.split("+"))
