"""What tests of a verification need: backends that are wrong in one way, and what a verification says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from clips import scene
from numpy.typing import NDArray

from engines.backends.base import Backend, Done, Options, Ticket
from engines.checks import limits_for
from engines.select import opener
from engines.verification import Verification
from pipeline.image import Image
from pipeline.types import Card, Frame, Inferred, Prepared
from pipeline.workbench.verifying import compare

Outputs = tuple[NDArray[Any], ...]
SEMANTIC = "family: semantic\nclasses: [red, green, blue]\ninput: {stride: 8, long_side: 128, scale: 1}\n"
FRAMES = 8


def frames(count: int = FRAMES) -> list[Frame]:
    return [Frame(i, i, Fraction(1, 10), 0.0, Image((scene(i),), "bgr24")) for i in range(count)]


class Altered:
    """A backend that is right but for what `alter` does to each result."""

    name, precision, slots, max_batch, workers, threads = "openvino", "f32", 1, 4, 1, 1
    detail = "altered"

    def __init__(self, card: Card, alter: Callable[[int, int, Outputs], Outputs]) -> None:
        self._inner = opener("onnxruntime-cpu")(card, Options(workers=1, threads=1))
        self._alter, self.runs = alter, 0

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        inferred = self._inner.submit(batch).result()
        out = []
        for row, one in enumerate(inferred):
            self.runs += 1
            copies = tuple(array.copy() for array in one.arrays())
            out.append(Inferred(one.prepared, self._alter(row, len(batch), copies)))
        return Done(out)

    def close(self) -> None:
        self._inner.close()


def verified(
    card: Card, backend: Backend | Callable[[int, int, Outputs], Outputs], precision: str = "f32"
) -> Verification:
    from engines.backends.onnxruntime import open_exact

    running: Any = backend if hasattr(backend, "submit") else Altered(card, backend)
    reference = open_exact(card, threads=1)
    limits = limits_for(replace(card, details={**card.details, "precision": precision}), precision)
    try:
        return compare(running, reference, frames(), card=card, limits=limits, source="drawn")
    finally:
        running.close()
        reference.close()


def failed(verification: Verification) -> set[str]:
    return {check.name for check in verification.checks if not check.passed}


def unaltered(row: int, of: int, outputs: Outputs) -> Outputs:
    return outputs


def nan(row: int, of: int, outputs: Outputs) -> Outputs:
    outputs[0].flat[7] = np.nan
    return outputs


def infinite(row: int, of: int, outputs: Outputs) -> Outputs:
    outputs[0].flat[-1] = -np.inf
    return outputs
