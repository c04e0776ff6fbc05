"""A card back as YAML, for a model made of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.types import Card

_PEOPLE = ("source", "training_data")
_OF_OUR_OWN = (*_PEOPLE, "accuracy", "verify", "precision", "quantized")


def card_as_yaml(card: Card, details: Mapping[str, Any], verify: Mapping[str, Mapping[str, float]]) -> str:
    """The card of a model made of `card`'s, as engines.card reads it.

    Name, family, classes, input, outputs, licence and training data are inherited; measured accuracy is not.

    Args:
        details: what is new; goes over the details of the card.
        verify: limits, see engines.checks.
    """
    import yaml

    spec = card.input
    classes = [
        {"name": name, "colour": list(colour)}
        for name, colour in zip(card.classes.names, card.classes.colours, strict=True)
    ]
    tree: dict[str, Any] = {
        "name": card.name,
        "family": card.family,
        "classes": classes,
        "input": {
            "name": spec.name,
            "stride": spec.stride,
            "long_side": spec.long_side,
            "layout": spec.layout,
            "colour": spec.colour,
            "scale": spec.scale,
            "mean": list(spec.mean),
            "std": list(spec.std),
            "fit": spec.fit,
            "pad": spec.pad,
        },
        "outputs": [output.name for output in card.outputs],
        "licence": card.licence,
        **{key: card.details[key] for key in _PEOPLE if key in card.details},
        "details": {**{key: value for key, value in card.details.items() if key not in _OF_OUR_OWN}, **details},
    }
    if verify:
        tree["verify"] = {grade: dict(limits) for grade, limits in verify.items()}
    return yaml.safe_dump(_plain(tree), sort_keys=False, allow_unicode=True, width=110)


def _plain(value: Any) -> Any:
    """Only what YAML has: tuples as lists, anything foreign as its text."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, str | int) else str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
