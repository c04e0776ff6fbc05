"""A GPU backend over slots: tensors to outputs, or frames to what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from engines.backends.base import Way, check_input
from engines.backends.frames import FrameJob, FrameRuntime
from engines.backends.slots import Slots, SlotTicket
from engines.backends.tensors import Shape, TensorJob, TensorRuntime
from engines.device.base import Device
from engines.device.errors import DeviceLostError
from engines.device.ledger import free_each
from engines.frame_task import FrameTask
from pipeline.errors import BackendError
from pipeline.types import Card, Decoded, Frame, Inferred, Prepared


class Runtime(TensorRuntime, FrameRuntime, Protocol):
    """A network that is loaded on the device."""

    def close(self) -> None:
        """Let go of the network; legal twice. All of its work was closed."""
        ...


class SlotBackend:
    """See base.Backend and base.FrameBackend. Results own their memory."""

    workers = 1
    threads = 1

    def __init__(
        self,
        name: str,
        detail: str,
        precision: str,
        card: Card,
        device: Device,
        runtime: Runtime,
        *,
        slots: int,
        max_batch: int = 1,
    ) -> None:
        """Takes over `device` and `runtime`: `close` closes both. The device must be current."""
        self.name, self.detail, self.precision = name, detail, precision
        self.slots, self.max_batch = slots, max_batch
        self.way: Way = "tensors"
        self.why_tensors = ""
        self._card, self._device = card, device
        self._runtime: Runtime | None = runtime
        self._slots = Slots(device, slots, self._stamp)
        self._tensors = TensorJob(card, runtime)
        self._frames: FrameJob | None = None

    @property
    def network_sizes(self) -> list[tuple[int, int]]:
        """Of the network's input for the frames of late."""
        return [] if self._frames is None else sorted(self._frames.network_sizes)

    def ready(self, shape: Shape, task: FrameTask | None) -> None:
        """Run noughts in every slot until each has its graph, so that no frame waits for that.

        Args:
            shape: of the tensors to come, (1, ...).
            task: to take frames, where that works; otherwise `why_tensors` says what is in the way.

        Raises:
            BackendError: the network does not run.
        """
        runtime = self._runtime
        assert runtime is not None
        with self._device.current():
            if task is not None:
                self._try_frames(runtime, shape, task)
            if self._frames is None:
                self._slots.warm(self._tensors, shape)

    def _try_frames(self, runtime: Runtime, shape: Shape, task: FrameTask) -> None:
        job = FrameJob(self._device, self._card, runtime, task)
        try:
            job.load()
            if (usual := job.usual(shape)) is not None:
                self._slots.warm(job, usual)
        except DeviceLostError:
            raise
        except BackendError as error:
            with suppress(BackendError):  # why is told
                self._slots.forget(job)
            self.why_tensors = str(error)
        else:
            self.way, self._frames = "frames", job

    def submit(self, batch: Sequence[Prepared]) -> SlotTicket[Prepared, Inferred]:
        """Begin; where all slots are busy, first wait for the one that began first."""
        self._check_open()
        for prepared in batch:
            check_input(self._card, prepared)
        with self._device.current():
            return self._slots.submit(self._tensors, batch)

    def submit_frames(self, frames: Sequence[Frame]) -> SlotTicket[Frame, Decoded]:
        """The same with frames."""
        self._check_open()
        if self._frames is None:
            raise RuntimeError(f"{self.name} takes tensors here: {self.why_tensors}")
        with self._device.current():
            return self._slots.submit(self._frames, frames)

    def _stamp(self, item: Prepared | Frame, span: tuple[float, float]) -> None:
        frame = item if isinstance(item, Frame) else item.frame
        frame.stamps.device[f"gpu: {self._card.name}"] = span

    def _check_open(self) -> None:
        if self._runtime is None:
            raise RuntimeError(f"{self.name} was closed")

    def close(self) -> None:
        """Let go of the network and the GPU; results that were asked for stay valid."""
        runtime, self._runtime = self._runtime, None
        if runtime is None:
            return
        try:
            with self._device.current():
                free_each((self._slots.close, runtime.close))
        finally:
            self._device.close()
