"""A plan that is loaded: what a slot does with it.

The way of a batch is a list of steps: upload, network, download; what prepares and decodes on the GPU stands between
them. They are captured into one CUDA graph for each shape and slot, each with an execution context of its own, as a
graph keeps the shapes and addresses of the context that it was captured from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engines.backends.base import usual_hw
from engines.backends.tensors import Outputs, Shape
from engines.device.base import Device, DeviceBuffer, Stream
from engines.device.held import Held
from engines.device.ledger import free_each
from engines.device.recorded import Download, Recorded, Step, Upload
from engines.manifest import Manifest, Shapes, profile_for, shapes_of
from engines.tensorrt_engine import Engine
from pipeline.errors import BackendError
from pipeline.types import Card


class PlanRuntime:
    """See slot_backend.Runtime.

    Args:
        device: current.
        engine: of the plan; closed with this.
        card: of the network.
        manifest: of the plan.

    Raises:
        BackendError: the plan is not of this network.
    """

    def __init__(self, device: Device, engine: Engine, card: Card, manifest: Manifest) -> None:
        inputs = [tensor for tensor in engine.tensors if tensor.is_input]
        names = {tensor.name for tensor in engine.tensors if not tensor.is_input}
        wanted = [output.name for output in card.outputs]
        if [tensor.name for tensor in inputs] != [card.input.name] or not names.issuperset(wanted):
            found = ", ".join(tensor.name for tensor in engine.tensors)
            raise BackendError(f"the plan has the tensors {found}, the card of {card.path.name} says others")
        self._device, self._engine, self._card, self._manifest = device, engine, card, manifest
        self.dtype = np.dtype(inputs[0].dtype)
        if not np.can_cast(card.input.dtype, self.dtype, "same_kind"):
            raise BackendError(f"the plan takes {self.dtype}, {card.path.name} takes {card.input.dtype}")

    def usual(self, shape_hw: tuple[int, int] | None) -> Shape:
        """The shape of the frames to come, as far as it can be told: one that the plan takes.

        Raises:
            BackendError: `shape_hw` is given and was not built.
        """
        shape = self._card.input.shape(shape_hw or usual_hw(self._card.input))
        if shape_hw is None and profile_for(self._manifest, shape) is None:
            first = shapes_of(self._manifest)[0]
            return (first.least[0], *first.best[1:])
        self.rows(shape, 1)
        return shape

    def rows(self, shape: Shape, most: int) -> int:
        """How many frames of that shape run at once."""
        for rows in range(most, 0, -1):
            if profile_for(self._manifest, (rows, *shape[1:])) is not None:
                return rows
        height, width = self._card.input.size_of(shape)
        built = ", ".join(_words(shapes) for shapes in shapes_of(self._manifest))
        raise BackendError(
            f"the plan was built for inputs of {built}, {'x'.join(map(str, shape))} came",
            hint=f"`dashmask build {self._card.path} --shapes {width}x{height}` builds one",
        )

    def network(self, shape: Shape, stream: Stream) -> PlanNetwork:
        """The network for a batch of that shape, which the plan takes (see `rows`)."""
        profile = profile_for(self._manifest, shape)
        assert profile is not None
        return PlanNetwork(self._device, self._engine, self._card, profile, shape, stream)

    def work(self, shape: Shape, stream: Stream) -> PlanWork:
        """Memory, a context and the steps for a shape."""
        return PlanWork(self._device, self.network(shape, stream), shape, self.dtype)

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.close()


class PlanNetwork:
    """A plan for one shape of its input, in an execution context of its own; see also engines.kernels.way.Network.

    Attributes:
        outputs: shape with the batch first, and type, in the card's order.
    """

    def __init__(
        self, device: Device, engine: Engine, card: Card, profile: int, shape: Shape, stream: Stream
    ) -> None:
        self._input, self._stream = card.input.name, stream.handle
        self._names = [output.name for output in card.outputs]
        self._context = engine.context()
        self._unread: list[DeviceBuffer] = []  # outputs that the card does not name need memory all the same
        try:
            self._context.use_profile(profile, stream.handle)
            self._context.set_input_shape(self._input, shape)
            self._context.infer_shapes()
            stream.synchronize()  # the profile was switched in it
            found = {}
            for tensor in engine.tensors:
                if not tensor.is_input:
                    found[tensor.name] = (self._context.shape(tensor.name), np.dtype(tensor.dtype))
            self.outputs: Outputs = [found.pop(name) for name in self._names]
            if wrong := [out for out, _ in self.outputs if not out or out[0] != shape[0]]:
                raise BackendError(f"the plan answers {wrong[0]} for {shape[0]} frames")
            for name, (out, dtype) in found.items():
                self._unread.append(device.alloc(max(1, int(np.prod(out)) * dtype.itemsize)))
                self._context.set_address(name, self._unread[-1].ptr)
        except BaseException:
            self.close()
            raise

    def step(self, tensor: DeviceBuffer, outputs: Sequence[DeviceBuffer]) -> PlanNetwork:
        """The step that reads the input from one place and writes the outputs to others."""
        self._context.set_address(self._input, tensor.ptr)
        for name, buffer in zip(self._names, outputs, strict=True):
            self._context.set_address(name, buffer.ptr)
        return self

    @property
    def graphs(self) -> bool:
        """Whether its step can be recorded in a CUDA graph; `step` was called."""
        return self._context.capturable(self._stream)

    def enqueue(self, stream: Stream) -> None:
        """Put the network into a stream."""
        self._context.enqueue(stream.handle)

    def close(self) -> None:
        """Let go of the context; legal twice. What it runs in must be done, and the graphs with it be gone."""
        unread, self._unread = self._unread, []
        free_each((*(buffer.free for buffer in unread), self._context.close))


class PlanWork:
    """See tensors.NetworkWork. Takes over the network."""

    def __init__(self, device: Device, network: PlanNetwork, shape: Shape, dtype: np.dtype[Any]) -> None:
        self._held = Held(device)
        self._held.then(network.close)
        with self._held.planning():
            pairs = [self._held.tensor(*one) for one in ((shape, dtype), *network.outputs)]
            (self.input, given), *made = pairs
            self.outputs = [array for array, _ in made]
            downloads = [Download(device, array, buffer) for array, buffer in made]
            step = network.step(given, [buffer for _, buffer in made])
            steps: list[Step] = [Upload(device, self.input, given), step, *downloads]
            self._recorded = self._held.own(
                Recorded(device, steps, lambda one: one is network and not network.graphs)
            )

    def start(self, stream: Stream) -> None:
        """Put it all into the stream."""
        self._recorded.start(stream)

    def close(self) -> None:
        """Free the graph, the memory, the context."""
        self._held.free()


def _words(shapes: Shapes) -> str:
    least, most = ("x".join(map(str, shape)) for shape in (shapes.least, shapes.most))
    return most if least == most else f"{least} to {most}"
