"""What a benchmark's own score is, and which one belongs to each result format."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Protocol

from pipeline.datasets import LeftOut
from pipeline.evaluation.truths import Truths
from pipeline.formats import Prediction
from pipeline.formats.reading import Reader
from pipeline.types import Truth


class OfficialScore(Protocol):
    """Counts image by image, in the truth's order.

    Attributes:
        alone: there is no other measure for these files, neither AP nor mean IoU.
        left_out: what of the predictions this score does not count, and others do.
    """

    @property
    def alone(self) -> bool:
        """See above."""
        ...

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """See above."""
        ...

    def add(self, index: int, truth: Truth, found: Prediction | None) -> None:
        """Count the image of that number in the truth; `found` None: nobody says anything of it."""
        ...

    def report(self) -> dict[str, Any]:
        """For JSON, under the benchmark's name: figures by the names that its tool gives them."""
        ...


_SCORES = MappingProxyType(  # format -> module:function of truths and reader, which may give None
    {
        "bdd100k": "pipeline.evaluation.official.bdd100k:bdd100k",
        "cityscapes": "pipeline.evaluation.official.cityscapes:CityscapesScore",
        "davis": "pipeline.evaluation.official.davis:DavisScore",
        "mots": "pipeline.evaluation.official.mots:MotsScore",
    }
)


def open_official(format_name: str, truths: Truths, reader: Reader) -> OfficialScore | None:
    """The score of a format's benchmark; None where it is COCO's AP or mean IoU, which are counted anyway."""
    place = _SCORES.get(format_name)
    if place is None:
        return None
    module, _, attribute = place.partition(":")
    score: OfficialScore | None = getattr(importlib.import_module(module), attribute)(truths, reader)
    return score
