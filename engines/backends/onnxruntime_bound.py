"""A session of ONNX Runtime that reads and writes our own device memory; events tie its stream to a slot's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from engines.backends.onnxruntime_session import dtype_of, runtime_errors, sentence
from engines.backends.tensors import Outputs, Shape
from engines.device.base import Device, DeviceBuffer, Stream
from engines.device.errors import LOST, DeviceLostError
from engines.device.held import Held
from pipeline.errors import BackendError
from pipeline.types import Card


class SessionHome(Protocol):
    """Where sessions run."""

    ort: Any  # the package
    card: Card
    device: Device
    memory: str  # as ONNX Runtime calls the device's memory
    stream: Stream  # in which all sessions compute, one after the other


def find_outputs(home: SessionHome, session: Any, shape: Shape) -> Outputs:
    """Shape and type of each output, found by a run on noughts: a file need not say them."""
    held, spec = Held(home.device), home.card.input
    try:
        dtype = np.dtype(spec.dtype)
        given = held.alloc(int(np.prod(shape)) * dtype.itemsize)
        binding = session.io_binding()
        binding.bind_input(spec.name, *_where(home), dtype, shape, given.ptr)
        for output in home.card.outputs:
            binding.bind_output(output.name, *_where(home))
        home.device.fill(given, 0, given.nbytes, home.stream)
        home.stream.synchronize()
        told_by(lambda: session.run_with_iobinding(binding))
        return [(tuple(value.shape()), np.dtype(dtype_of(value.data_type()))) for value in binding.get_outputs()]
    finally:
        held.free()


class BoundNetwork:
    """A session with a binding of its own; see also engines.kernels.way.Network.

    Attributes:
        outputs: shape with the batch first, and type, in the card's order.
    """

    graphs = False  # ONNX Runtime allocates and waits as it likes

    def __init__(self, home: SessionHome, session: Any, outputs: Outputs, shape: Shape) -> None:
        self.outputs = outputs
        self._home, self._session, self._shape = home, session, shape
        # Run returns when all is in the stream; who waits is the event behind the download.
        self._options = home.ort.RunOptions()
        self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self._binding: Any = None
        self._held = Held(home.device)
        with self._held.planning():
            self._before, self._behind = (self._held.own(home.device.event()) for _ in range(2))

    def step(self, tensor: DeviceBuffer, outputs: Sequence[DeviceBuffer]) -> BoundNetwork:
        """The step that reads the input from one place and writes the outputs to others."""
        spec, where = self._home.card.input, _where(self._home)
        self._binding = self._session.io_binding()
        self._binding.bind_input(spec.name, *where, np.dtype(spec.dtype), self._shape, tensor.ptr)
        for output, (shape, dtype), buffer in zip(self._home.card.outputs, self.outputs, outputs, strict=True):
            self._binding.bind_output(output.name, *where, dtype, shape, buffer.ptr)
        return self

    def enqueue(self, stream: Stream) -> None:
        """Compute in the sessions' stream, behind what is in this one; what comes later in this one waits for it."""
        compute = self._home.stream
        self._before.record(stream)
        compute.wait(self._before)
        told_by(lambda: self._session.run_with_iobinding(self._binding, self._options))
        self._behind.record(compute)
        stream.wait(self._behind)

    def close(self) -> None:
        """Let go of the session's objects; legal twice. What it runs in must be done."""
        self._binding = self._session = None
        self._held.free()


class BoundWork:
    """See tensors.NetworkWork. Takes over the network."""

    def __init__(self, home: SessionHome, network: BoundNetwork, shape: Shape) -> None:
        self._device, self._network = home.device, network
        self._held = Held(home.device)
        self._held.then(network.close)
        with self._held.planning():
            self.input, self._given = self._held.tensor(shape, home.card.input.dtype)
            made = [self._held.tensor(*one) for one in network.outputs]
            self.outputs, self._results = [array for array, _ in made], [buffer for _, buffer in made]
            network.step(self._given, self._results)

    def start(self, stream: Stream) -> None:
        """Upload and download in the slot's stream, compute in that of the sessions."""
        self._device.upload(self._given, self.input, stream)
        self._network.enqueue(stream)
        for array, buffer in zip(self.outputs, self._results, strict=True):
            self._device.download(array, buffer, stream)

    def close(self) -> None:
        """Let go of the session's objects and the memory."""
        self._held.free()


def _where(home: SessionHome) -> tuple[str, int]:
    return home.memory, home.device.ordinal if home.memory == "cuda" else 0


def told_by(run: Callable[[], Any]) -> Any:
    """What ONNX Runtime answers; its errors are ours, and DeviceLostError where CUDA cannot be used any more."""
    try:
        return run()
    except runtime_errors() as error:
        match = re.search(r"CUDA (?:failure|error):? (\d+)", str(error))
        kind = DeviceLostError if match and int(match[1]) in LOST else BackendError
        raise kind(f"ONNX Runtime: {sentence(error)}") from error
