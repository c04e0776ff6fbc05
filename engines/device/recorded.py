"""Work that is done again and again with the same memory: steps in a stream, as one CUDA graph where possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from engines.device.base import Device, DeviceBuffer, Graph, Stream
from engines.device.errors import DeviceLostError
from pipeline.errors import BackendError


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


class Recorded:
    """Steps in their order.

    The first time they are put into the stream one by one, which also lets libraries allocate what they need; the
    second time they are captured, and from then on one call starts them all. Where they cannot be captured they go on
    one by one.
    """

    def __init__(self, device: Device, steps: Sequence[Step]) -> None:
        self.steps = tuple(steps)
        self.why_no_graph = "" if device.graphs else f"{device.api} has none"
        self._device = device
        self._graph: Graph | None = None
        self._ran = False

    def start(self, stream: Stream) -> None:
        """Put all of it into a stream; returns before it is done.

        Raises:
            BackendError: a step failed.
        """
        if self._graph is None and self._ran and not self.why_no_graph:
            self._capture(stream)
        if self._graph is not None:
            self._graph.launch(stream)
            return
        for step in self.steps:
            step.enqueue(stream)
        self._ran = True

    def _capture(self, stream: Stream) -> None:
        try:
            self._device.begin_capture(stream)
            try:
                for step in self.steps:
                    step.enqueue(stream)
            except BaseException:
                self._give_up(stream)
                raise
            self._graph = self._device.end_capture(stream)
        except DeviceLostError:
            raise
        except BackendError as error:
            self.why_no_graph = str(error)

    def _give_up(self, stream: Stream) -> None:
        try:
            self._device.end_capture(stream).free()
        except BackendError:
            return  # what broke the capture is told already

    def free(self) -> None:
        """Let go of the graph; legal twice. The work must be done."""
        if self._graph is not None:
            self._graph.free()
            self._graph = None
