"""The whole way of a batch of frames on the device: upload, preprocess, network, postprocess, download."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.device.base import Device, DeviceBuffer, Stream
from engines.device.held import Held
from engines.device.ledger import free_each
from engines.device.recorded import Download, Recorded, Step, Upload
from engines.frame_task import DetectRules
from engines.kernels.detecting import FRAMES_OF_MASKS, Detecting, MasksOverflowError
from engines.kernels.labelling import Labelling
from engines.kernels.launch import Kernels
from engines.kernels.preparing import FrameLayout, Preparing, copy_planes
from pipeline.errors import BackendError
from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.types import Card, Instances, Labels


@dataclass(frozen=True, slots=True)
class Launch:
    """A step that starts kernels; see recorded.Step."""

    start: Callable[[Stream], None]

    def enqueue(self, stream: Stream) -> None:
        """Put them into a stream."""
        self.start(stream)


class Network(Protocol):
    """A network for one shape of its input."""

    outputs: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]  # shape with the batch first, and type; the card's order

    @property
    def graphs(self) -> bool:
        """Whether its step can be recorded in a CUDA graph, once it ran."""
        ...

    def step(self, tensor: DeviceBuffer, outputs: Sequence[DeviceBuffer]) -> Step:
        """The step that reads the tensor and writes the outputs."""
        ...


class Way:
    """One slot: takes frames of one layout, gives labels or instances in pixels of the frame. Memory is planned once.

    Use: `start` returns at once; `finish` waits and gives the results; then `start` again. The second `start` records
    all of it in a CUDA graph, where the device has them; where the network cannot be recorded, what stands before it
    and what stands behind it. Who waits by other means than `finish` calls `put`, `begin` and `results`.

    Args:
        card: of the network; family semantic or yolo-seg.
        layout: of the frames.
        letterbox: where they lie in the network's input.
        network: for a batch of `batch`.
        chosen: (classes,) bool, which classes are asked for.
        rules: of yolo-seg.
        batch: frames at most.
        stream: where all of it runs, which stays the caller's; None: one of its own.

    Raises:
        BackendError: a family, format or output that the GPU does not serve, or too little memory.
    """

    def __init__(
        self,
        device: Device,
        kernels: Kernels,
        card: Card,
        layout: FrameLayout,
        letterbox: Letterbox,
        network: Network,
        chosen: NDArray[np.bool_],
        rules: DetectRules | None = None,
        batch: int = 1,
        stream: Stream | None = None,
    ) -> None:
        if card.family not in ("semantic", "yolo-seg"):
            raise BackendError(f"{card.name}: outputs of the family {card.family} are not read on the GPU")
        self._device, self._kernels, self._card, self._layout, self._batch = device, kernels, card, layout, batch
        self._letterbox, self._chosen, self._rules = letterbox, chosen, rules or DetectRules()
        self._waiting, self._freed = 0, False
        self._labelling: Labelling | None = None
        self._detecting: Detecting | None = None
        self._held = Held(device)
        with self._held.planning():
            self._stream = stream or self._held.own(device.stream())
            self._plan(network)

    def _plan(self, network: Network) -> None:
        held, card, letterbox, batch = self._held, self._card, self._letterbox, self._batch
        around = self._device, self._kernels, self._stream
        self._host_frames = held.pinned((batch, self._layout.nbytes), np.uint8)
        self._rooms = [self._layout.views(row) for row in self._host_frames]
        self._frames = held.alloc(self._host_frames.nbytes)
        pixels = letterbox.network_hw[0] * letterbox.network_hw[1]
        self._tensor = held.alloc(batch * 3 * pixels * np.dtype(card.input.dtype).itemsize)
        self._shapes = list(network.outputs)
        self._outputs = [held.alloc(int(np.prod(shape)) * dtype.itemsize) for shape, dtype in self._shapes]
        self._preparing = held.own(Preparing(*around, self._layout, letterbox, card.input))
        self._of, self._network = network, network.step(self._tensor, self._outputs)
        if card.family == "semantic":
            shape, dtype = self._shapes[0]
            probability = any(output.probability for output in card.outputs[:1])
            self._labelling = held.own(Labelling(*around, shape, dtype, letterbox, self._chosen, probability))
            self._host_map = held.pinned((batch, *letterbox.frame_hw), np.uint8)
            self._map = held.alloc(self._host_map.nbytes)
        else:
            self._detecting = self._plan_detecting(FRAMES_OF_MASKS)
        self._recorded = self._record()

    @property
    def steps(self) -> dict[str, Step]:
        """By name, in their order; for timing each."""
        names = ("upload", "preprocess", "network", "postprocess", "download")
        return dict(zip(names, self._recorded.steps, strict=True))

    @property
    def graphs(self) -> bool:
        """Whether the network can be recorded with the rest."""
        return self._of.graphs

    @property
    def stream(self) -> Stream:
        """Where all of it runs."""
        return self._stream

    def start(self, images: Sequence[Image]) -> None:
        """Take frames, at most `batch`, and begin; they are copied before this returns.

        Raises:
            BackendError: a frame of another layout, or the device fails.
        """
        if self._waiting or not 1 <= len(images) <= self._batch:
            raise ValueError(f"{len(images)} frames for {self._batch} places, {self._waiting} are still there")
        for image in images:
            if FrameLayout.of(image) != self._layout:
                raise BackendError(f"a frame of another format or size: {FrameLayout.of(image)}, not {self._layout}")
        self.put(images)
        self.begin()
        self._waiting = len(images)

    def finish(self) -> list[Labels | Instances]:
        """Wait; one result for each frame, in memory of its own."""
        count, self._waiting = self._waiting, 0
        self._stream.synchronize()
        return self.results(count)

    def put(self, images: Sequence[Image]) -> None:
        """Copy frames of the layout, at most `batch`, to where they are uploaded from."""
        for image, views in zip(images, self._rooms, strict=False):
            copy_planes(image, self._layout, views)

    def begin(self) -> None:
        """Put everything behind `put` into the stream."""
        self._recorded.start(self._stream)

    def results(self, count: int) -> list[Labels | Instances]:
        """What is in the first frames, in memory of its own; the stream is past what `begin` put into it.

        Raises:
            BackendError: the masks need more room than there is memory.
        """
        if self._detecting is None:
            return [Labels(self._host_map[image].copy(), self._card.classes) for image in range(count)]
        while True:
            try:
                return [self._detecting.instances(image, self._card.classes) for image in range(count)]
            except MasksOverflowError as overflow:
                self._widen(self._detecting, overflow.frames_of_masks)

    def free(self) -> None:
        """Give all memory back; legal twice. What was begun must be done, or the stream be its own."""
        if not self._freed:
            self._freed = True
            free_each((self._stream.synchronize, self._held.free))

    def _record(self) -> Recorded:
        batch = self._batch
        upload = Upload(self._device, self._host_frames, self._frames)
        prepare = Launch(lambda stream: self._preparing.run(self._frames.ptr, self._tensor.ptr, batch, stream))
        post, download = self._postprocess()
        steps: list[Step] = [upload, prepare, self._network, post, download]
        return self._held.own(Recorded(self._device, steps, lambda step: step is self._network and not self.graphs))

    def _postprocess(self) -> tuple[Step, Step]:
        batch = self._batch
        if (labelling := self._labelling) is not None:
            output, label_map = self._outputs[0].ptr, self._map.ptr
            return (
                Launch(lambda stream: labelling.run(output, label_map, batch, stream)),
                Download(self._device, self._host_map, self._map),
            )
        detecting = self._detecting
        assert detecting is not None
        rows, prototypes = (self._outputs[at].ptr for at in self._places())
        return Launch(lambda stream: detecting.run(rows, prototypes, batch, stream)), Launch(detecting.download)

    def _places(self) -> tuple[int, int]:
        """Which outputs are the detections and the prototypes."""
        ranks = [len(shape) for shape, _ in self._shapes]
        if ranks.count(3) != 1 or ranks.count(4) != 1:
            raise BackendError(f"{self._card.name}: outputs {[shape for shape, _ in self._shapes]} are no YOLO-seg's")
        return ranks.index(3), ranks.index(4)

    def _plan_detecting(self, frames_of_masks: int) -> Detecting:
        (rows, dtype), (prototypes, other) = (self._shapes[at] for at in self._places())
        if dtype != other:
            raise BackendError(f"{self._card.name}: detections of {dtype} beside prototypes of {other}")
        planned = Detecting(
            self._device,
            self._kernels,
            self._stream,
            rows,
            prototypes,
            dtype,
            self._letterbox,
            self._chosen,
            self._rules,
            frames_of_masks,
        )
        return self._held.own(planned)

    def _widen(self, old: Detecting, frames_of_masks: int) -> None:
        """More room for masks, and postprocess again what the network said."""
        self._recorded.free()
        old.free()
        self._detecting = self._plan_detecting(frames_of_masks)
        self._recorded = self._record()
        for name in ("postprocess", "download"):
            self.steps[name].enqueue(self._stream)
        self._stream.synchronize()
