"""Work that is done again and again with the same memory: steps in a stream, as one CUDA graph where possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

from numpy.typing import NDArray

from engines.device.base import Device, DeviceBuffer, Graph, Stream
from engines.device.errors import CaptureBrokenError, DeviceLostError
from engines.device.ledger import free_each
from pipeline.errors import BackendError

_TRIES = 3  # another thread that waits for the whole GPU breaks a capture


class Step(Protocol):
    """One part of the work: a copy, a network, a kernel. Its memory is fixed when it is made."""

    def enqueue(self, stream: Stream) -> None:
        """Put it into a stream, which may be capturing: nothing that waits or allocates."""
        ...


@dataclass(frozen=True, slots=True)
class Upload:
    """From pinned host memory to the device."""

    device: Device
    array: NDArray[Any]
    buffer: DeviceBuffer

    def enqueue(self, stream: Stream) -> None:
        """Put the copy into a stream."""
        self.device.upload(self.buffer, self.array, stream)


@dataclass(frozen=True, slots=True)
class Download:
    """From the device to pinned host memory."""

    device: Device
    array: NDArray[Any]
    buffer: DeviceBuffer

    def enqueue(self, stream: Stream) -> None:
        """Put the copy into a stream."""
        self.device.download(self.array, self.buffer, stream)


@dataclass(frozen=True, slots=True)
class _Replay:
    """Steps that were captured."""

    graph: Graph

    def enqueue(self, stream: Stream) -> None:
        self.graph.launch(stream)


class Recorded:
    """Steps in their order.

    The first time they are put into the stream one by one, which also lets libraries allocate what they need; the
    second time that is waited for, they are captured, and from then on one call starts them all. Where they cannot be
    captured they go on one by one, once that was tried again as far as another thread may be the reason.

    Args:
        apart: which steps cannot be captured, asked when the others are: what stands before and behind them is, each
            in a graph.
    """

    def __init__(
        self, device: Device, steps: Sequence[Step], apart: Callable[[Step], bool] = lambda step: False
    ) -> None:
        self.steps = tuple(steps)
        self.why_no_graph = "" if device.graphs else f"{device.api} has none"
        self._device, self._apart = device, apart
        self._graphs: list[Graph] = []
        self._now = self.steps  # what is put into the stream: steps, or graphs of them
        self._ran = self._captured = False
        self._tries = _TRIES

    def start(self, stream: Stream) -> None:
        """Put all of it into a stream; returns before it is done.

        Raises:
            BackendError: a step failed.
        """
        if self._ran and not self._captured and not self.why_no_graph:
            self._capture(stream)
        for step in self._now:
            step.enqueue(stream)
        self._ran = True

    def _capture(self, stream: Stream) -> None:
        stream.synchronize()  # what libraries do at first is done: TensorRT asks for that before a capture
        now: list[Step] = []
        try:
            for apart, group in groupby(self.steps, self._apart):
                steps = list(group)
                now += steps if apart else [self._graph_of(steps, stream)]
        except DeviceLostError:
            raise
        except BackendError as error:
            self._tries -= 1
            if not self._tries or not isinstance(error, CaptureBrokenError):
                self.why_no_graph = str(error)
            self.free()
        else:
            self._now, self._captured = tuple(now), True

    def _graph_of(self, steps: Sequence[Step], stream: Stream) -> _Replay:
        self._device.begin_capture(stream)
        try:
            for step in steps:
                step.enqueue(stream)
        except BaseException:
            self._give_up(stream)
            raise
        self._graphs.append(self._device.end_capture(stream))
        return _Replay(self._graphs[-1])

    def _give_up(self, stream: Stream) -> None:
        try:
            self._device.end_capture(stream).free()
        except BackendError:
            return  # what broke the capture is told already

    def free(self) -> None:
        """Let go of the graphs; legal twice. The work must be done."""
        graphs, self._graphs, self._now = self._graphs, [], self.steps
        free_each(graph.free for graph in graphs)
