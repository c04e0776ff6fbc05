"""The network alone: how fast the same backend runs the same inputs when nothing else is done."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import cycle, islice

from engines.backends.base import Backend, Ticket
from pipeline.networks import Network
from pipeline.types import Frame, Inferred, Prepared

_Handed = tuple[float, list[Ticket]]  # when, and what will come of it
Inputs = Sequence[tuple[Prepared, ...]]  # of each frame one per network


@dataclass(frozen=True, slots=True)
class Ceiling:
    """One window of the network alone."""

    fps: float
    latencies_s: tuple[float, ...]  # of each frame, from handing it in to its result


def inputs_of(nets: Sequence[Network], frames: Sequence[Frame]) -> Inputs:
    """The tensors of some frames, in memory of their own."""
    made = []
    for frame in frames:
        row = []
        for net in nets:
            prepared = net.preprocessor.prepare(frame)
            row.append(replace(prepared, tensor=prepared.tensor.copy(), lease=None))
            if prepared.lease is not None:
                prepared.lease.release()
        made.append(tuple(row))
    return made


def answers(nets: Sequence[Network], inputs: tuple[Prepared, ...]) -> list[Inferred]:
    """What the networks say of one frame."""
    return [net.selection.backend.submit([one]).result()[0] for net, one in zip(nets, inputs, strict=True)]


def run_alone(
    backends: Sequence[Backend], inputs: Inputs, seconds: float, workers: int, *, one_at_a_time: bool = False
) -> Ceiling:
    """Keep every worker and every slot of the backends busy for a while, with as large batches as they like.

    Args:
        backends: all run on every frame.
        inputs: given in turn.
        seconds: to go on for; each worker runs two batches at least.
        workers: threads that hand frames in, as many as in the pipeline.
        one_at_a_time: no slots and no batches.
    """
    slots = 1 if workers > 1 or one_at_a_time else min(backend.slots for backend in backends)
    rows = 1 if one_at_a_time else min(backend.max_batch for backend in backends)

    def work() -> list[tuple[float, float]]:
        frames = cycle(inputs)
        waiting: deque[_Handed] = deque()
        spans: list[tuple[float, float]] = []
        while len(spans) < 2 * rows or spans[-1][1] < began_s + seconds:
            columns = zip(*islice(frames, rows), strict=True)
            start_s = time.monotonic()
            tickets = [backend.submit(column) for backend, column in zip(backends, columns, strict=True)]
            waiting.append((start_s, tickets))
            while len(waiting) >= slots:
                spans += [_oldest(waiting)] * rows
        while waiting:
            _oldest(waiting)
        return spans

    with ThreadPoolExecutor(workers, "alone") as pool:
        began_s = time.monotonic()
        each = [future.result() for future in [pool.submit(work) for _ in range(workers)]]
    # A worker's rate counts up to its own last frame: waiting for the slowest one is no part of a run.
    fps = sum(len(spans) / (spans[-1][1] - began_s) for spans in each)
    return Ceiling(fps, tuple(end - start for spans in each for start, end in spans))


def _oldest(waiting: deque[_Handed]) -> tuple[float, float]:
    start_s, tickets = waiting.popleft()
    for ticket in tickets:
        for inferred in ticket.result():
            inferred.arrays()  # the whole network: also what a pipeline computes only where somebody looks
    return start_s, time.monotonic()
