"""A backend that computes nothing: what is left of a run's time is our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends.base import Done, Options, Precision, Ticket, Way, check_input, share_cores
from engines.machine import available_cores
from pipeline.errors import BackendError
from pipeline.types import Card, Inferred, OutputSpec, Prepared


class NullBackend:
    """Answers every frame with the same arrays: those given, or zeros of the shapes that the card says.

    Args:
        card: of the network that does not run.
        options: workers are as for a CPU backend.
        outputs: one array per output of the card, each (1, ...); they are handed out as they are, read only.
    """

    name = "null"
    precision: Precision = "f32"
    slots = 1
    max_batch = 1
    way: Way = "tensors"

    def __init__(
        self, card: Card, options: Options | None = None, outputs: Sequence[NDArray[Any]] | None = None
    ) -> None:
        options = options or Options()
        self.workers, self.threads = share_cores(options.workers, options.threads, available_cores())
        self.detail = "computes nothing: every output is zero" if outputs is None else "answers fixed outputs"
        self._card = card
        self._fixed = None if outputs is None else tuple(_read_only(array) for array in outputs)
        if self._fixed is not None and len(self._fixed) != len(card.outputs):
            raise BackendError(f"null: expected {len(card.outputs)} outputs as the card says, got {len(self._fixed)}")
        self._zeros: dict[tuple[int, int], tuple[NDArray[Any], ...]] = {}

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        """Answer at once."""
        return Done([Inferred(prepared, self._outputs(check_input(self._card, prepared))) for prepared in batch])

    def _outputs(self, size_hw: tuple[int, int]) -> tuple[NDArray[Any], ...]:
        if self._fixed is not None:
            return self._fixed
        if size_hw not in self._zeros:
            shapes = [_shape(output, self._card, size_hw) for output in self._card.outputs]
            self._zeros[size_hw] = tuple(
                _read_only(np.zeros(shape, output.dtype))
                for shape, output in zip(shapes, self._card.outputs, strict=True)
            )
        return self._zeros[size_hw]

    def close(self) -> None:
        """Nothing to let go of."""


def open_null(card: Card, options: Options) -> NullBackend:
    """See NullBackend."""
    return NullBackend(card, options)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array = array.view()
    array.flags.writeable = False
    return array


def _shape(output: OutputSpec, card: Card, size_hw: tuple[int, int]) -> tuple[int, ...]:
    """An output's shape with its free dimensions as the family has them for an input of that size."""
    height, width = size_hw
    shape, classes = output.shape, len(card.classes)
    guess: tuple[int, ...]
    if card.family == "yolo-seg" and len(shape) == 3:  # boxes: three levels of strides 8, 16 and 32
        guess = (1, 4 + classes + 32, sum((height // stride) * (width // stride) for stride in (8, 16, 32)))
    elif card.family == "yolo-seg":  # prototypes
        guess = (1, 32, height // 4, width // 4)
    elif len(shape) == 3:  # labels
        guess = (1, height, width)
    elif card.input.layout == "nhwc" and shape[1:2] != (classes,):
        guess = (1, height, width, classes)
    else:
        guess = (1, classes, height, width)
    if not shape:  # the file states none
        return guess
    if len(guess) != len(shape):
        guess = (1,) * len(shape)
    return tuple(free if known is None else known for known, free in zip(shape, guess, strict=True))
