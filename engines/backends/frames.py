"""The job of a GPU backend that takes frames: upload, preprocess, network, postprocess, download."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from engines.backends.tensors import Shape
from engines.device.base import Device, Stream
from engines.device.ledger import free_each
from engines.frame_task import FrameTask
from engines.kernels.launch import Kernels
from engines.kernels.preparing import FrameLayout
from engines.kernels.way import Network, Way
from pipeline.errors import BackendError
from pipeline.types import Card, Decoded, Frame

SOURCES = {"semantic": ("letterbox", "labels"), "yolo-seg": ("letterbox", "detections", "instances", "masks")}
_FOOTAGE_HW = (720, 1280)  # frames to come, as far as nothing is known of them
_MOST_PLACED = 64  # sizes of frames whose letterbox is remembered


class OwnNetwork(Network, Protocol):
    """A network of a slot alone."""

    def close(self) -> None:
        """Let go of it; legal twice. What it runs in must be done, and the graphs with it be gone."""
        ...


class FrameRuntime(Protocol):
    """A network that is loaded on the device."""

    dtype: np.dtype[np.generic]  # of the input

    def rows(self, shape: Shape, most: int) -> int:
        """How many frames of that shape (1, ...) run at once; see tensors.TensorRuntime."""
        ...

    def network(self, shape: Shape, stream: Stream) -> OwnNetwork:
        """The network for a batch of that shape, which it takes."""
        ...


class FrameJob:
    """See slots.Job. What is alike in frames is their layout: format, size, matrix and range.

    Attributes:
        network_sizes: heights and widths of the network's inputs so far.
    """

    def __init__(self, device: Device, card: Card, runtime: FrameRuntime, task: FrameTask) -> None:
        # A plan may take halves where the network takes floats: the kernels write what the plan takes.
        dtype = str(runtime.dtype)
        self._card = replace(card, input=replace(card.input, dtype=dtype))  # type: ignore[arg-type]
        self._device, self._runtime, self._task = device, runtime, task
        self._kernels = Kernels(device)
        self._letterbox = lru_cache(_MOST_PLACED)(task.place)
        self.network_sizes: set[tuple[int, int]] = set()

    def load(self) -> None:
        """Compile and load the kernels.

        Raises:
            BackendError: the network's family or input is none that they serve, or they cannot be compiled or loaded.
        """
        if self._card.family not in SOURCES:
            raise BackendError(f"outputs of the family {self._card.family} are not read on the GPU")
        if self._card.input.dtype not in ("float32", "float16", "uint8"):
            raise BackendError(f"an input of {self._card.input.dtype} is not written on the GPU")
        for source in SOURCES[self._card.family]:
            self._kernels.load(source)

    def usual(self, shape: Shape) -> FrameLayout | None:
        """Of the frames to come, as far as it can be told: one that the network takes; None: no such guess.

        Args:
            shape: an input that the network takes.
        """
        for size_hw in (_FOOTAGE_HW, self._card.input.size_of(shape)):
            layout = FrameLayout("yuv420p", size_hw)
            with suppress(BackendError):
                self.rows(layout, 1)
                return layout
        return None

    def key(self, item: Frame) -> FrameLayout:
        """Its layout."""
        return FrameLayout.of(item.image)

    def rows(self, key: FrameLayout, most: int) -> int:
        """How many run at once: a power of two where that can be, as memory is planned for each number."""
        shape = self._shape(key, 1)
        rows = self._runtime.rows(shape, most)
        if rows & (rows - 1):
            with suppress(BackendError):
                return self._runtime.rows(shape, 1 << rows.bit_length() - 1)
        return rows

    def work(self, key: FrameLayout, rows: int, stream: Stream) -> FrameWork:
        """Memory for so many."""
        network = self._runtime.network(self._shape(key, rows), stream)
        try:
            letterbox, task = self._letterbox(key.size_hw), self._task
            way = Way(
                self._device,
                self._kernels,
                self._card,
                key,
                letterbox,
                network,
                task.chosen,
                task.rules,
                rows,
                stream,
            )
        except BaseException:
            network.close()
            raise
        self.network_sizes.add(letterbox.network_hw)
        return FrameWork(way, network)

    def _shape(self, layout: FrameLayout, rows: int) -> Shape:
        return self._card.input.shape(self._letterbox(layout.size_hw).network_hw, rows)


class FrameWork:
    """See slots.Work. Takes over the way and its network."""

    def __init__(self, way: Way, network: OwnNetwork) -> None:
        self._way, self._network = way, network

    def put(self, items: Sequence[Frame]) -> None:
        """Copy their planes to pinned memory."""
        self._way.put([frame.image for frame in items])

    def start(self, stream: Stream) -> None:
        """Upload, preprocess, network, postprocess, download."""
        self._way.begin()

    def take(self, items: Sequence[Frame]) -> list[Decoded]:
        """What is in them."""
        return [Decoded(frame, found) for frame, found in zip(items, self._way.results(len(items)), strict=True)]

    def close(self) -> None:
        """The way first, which holds graphs with the network in them."""
        free_each((self._way.free, self._network.close))
