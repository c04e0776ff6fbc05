"""The job of a GPU backend that takes tensors: the network alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.device.base import Stream
from pipeline.types import Card, Inferred, Prepared

Shape = tuple[int, ...]
Outputs = Sequence[tuple[Shape, "np.dtype[Any]"]]  # shape with the batch first, and type, in the card's order


class NetworkWork(Protocol):
    """What a network does for one shape of its input, in memory of its own."""

    @property
    def input(self) -> NDArray[Any]:
        """Pinned, (rows, ...)."""
        ...

    @property
    def outputs(self) -> Sequence[NDArray[Any]]:
        """Pinned, (rows, ...) each, in the card's order."""
        ...

    def start(self, stream: Stream) -> None:
        """Put it all into the stream, from `input` to `outputs`."""
        ...

    def close(self) -> None:
        """Free the memory; legal twice. The work must be done."""
        ...


class TensorRuntime(Protocol):
    """A network that is loaded on the device."""

    def rows(self, shape: Shape, most: int) -> int:
        """How many frames of that shape (1, ...) run at once, at most `most`.

        Raises:
            BackendError: not one.
        """
        ...

    def work(self, shape: Shape, stream: Stream) -> NetworkWork:
        """Memory for an input of that shape (rows, ...)."""
        ...


class TensorJob:
    """See slots.Job."""

    def __init__(self, card: Card, runtime: TensorRuntime) -> None:
        self._runtime = runtime
        self._dtypes = [np.dtype(output.dtype) for output in card.outputs]

    def key(self, item: Prepared) -> Shape:
        """The shape of its tensor."""
        return item.tensor.shape

    def rows(self, key: Shape, most: int) -> int:
        """How many run at once."""
        return self._runtime.rows(key, most)

    def work(self, key: Shape, rows: int, stream: Stream) -> TensorWork:
        """Memory for so many."""
        return TensorWork(self._runtime.work((rows, *key[1:]), stream), self._dtypes)


class TensorWork:
    """See slots.Work. What comes from the device is copied, so that results own their memory."""

    def __init__(self, network: NetworkWork, dtypes: Sequence[np.dtype[Any]]) -> None:
        self._network, self._dtypes = network, dtypes
        self.start, self.close = network.start, network.close

    def put(self, items: Sequence[Prepared]) -> None:
        """Row by row."""
        given = self._network.input
        for row, prepared in enumerate(items):
            np.copyto(given[row : row + 1], prepared.tensor, casting="same_kind")

    def take(self, items: Sequence[Prepared]) -> list[Inferred]:
        """Row by row, in the card's types."""
        outputs = list(zip(self._network.outputs, self._dtypes, strict=True))
        return [
            Inferred(prepared, tuple(output[row : row + 1].astype(dtype) for output, dtype in outputs))
            for row, prepared in enumerate(items)
        ]
