"""Frames by way of a backend that takes tensors: what goes on where a GPU that took frames was lost."""

from __future__ import annotations

from collections.abc import Sequence

from engines.backends.base import Backend, Ticket
from engines.frame_task import FrameTask
from pipeline.types import Decoded, Frame, Prepared


class FramesByTensors:
    """Prepares and decodes on the CPU, in the thread that submits."""

    def __init__(self, backend: Backend, task: FrameTask) -> None:
        self._backend, self._task = backend, task

    def submit_frames(self, frames: Sequence[Frame]) -> TensorsTicket:
        """Prepare, and begin."""
        prepared = [self._task.prepare(frame) for frame in frames]
        try:
            return TensorsTicket(self._task, prepared, self._backend.submit(prepared))
        except BaseException:
            _release(prepared)
            raise


class TensorsTicket:
    """See base.FrameTicket."""

    def __init__(self, task: FrameTask, prepared: Sequence[Prepared], ticket: Ticket) -> None:
        self._task, self._prepared, self._ticket = task, prepared, ticket
        self._done: list[Decoded] | None = None

    def result(self) -> list[Decoded]:
        """Wait for the outputs, and decode them."""
        if self._done is None:
            try:
                inferred = self._ticket.result()
            finally:
                _release(self._prepared)
            self._done = [Decoded(one.prepared.frame, self._task.decode(one)) for one in inferred]
        return self._done


def _release(prepared: Sequence[Prepared]) -> None:
    for one in prepared:
        if one.lease is not None:
            one.lease.release()
