"""The real flow, with its real threads, under a clock that stands still until nobody can do anything.

Every thread that waits has a gate in exactly one list: of a channel, of an outlet or of this clock. A gate is used
once, so two readings of all lists that show the same gates, as many as there are threads, prove that between them
every thread waited: then, and only then, the clock goes on to the next time that somebody sleeps for.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, cast

import numpy as np
from flow_parts import PATIENCE_S, each, feed, stage

from pipeline.evaluation.simulation import LineModel, StageModel
from pipeline.flow import Flow, Stage
from pipeline.flow.channel import Channel
from pipeline.image import Image
from pipeline.running.inferring import Infer
from pipeline.types import Frame


class VirtualClock:
    def __init__(self) -> None:
        self.now_ns = 0
        self._sleepers: list[tuple[int, int, threading.Lock]] = []
        self._lock = threading.Lock()
        self._count = 0

    def sleep_until(self, when_ns: int) -> None:
        with self._lock:
            if when_ns <= self.now_ns:
                return
            gate = threading.Lock()
            gate.acquire()
            self._count += 1
            heapq.heappush(self._sleepers, (when_ns, self._count, gate))
        gate.acquire()

    @contextmanager
    def driving(self, flow: Flow[Any]) -> Iterator[None]:
        """Go on while the calling thread iterates over the flow."""
        over = threading.Event()
        driver = threading.Thread(target=self._drive, args=(flow, over))
        driver.start()
        try:
            yield
        finally:
            over.set()
            with self._lock:
                for _, _, gate in self._sleepers:
                    gate.release()
            driver.join()

    def _drive(self, flow: Flow[Any], over: threading.Event) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while not over.is_set():
            if time.monotonic() > until_s:
                flow.cancel()  # a test that hangs says less
                return
            gates = self._gates(flow)
            threads = 1 + len(flow._threads.join(0))  # counted between the readings: one may just have been started
            if len(gates) < threads or self._gates(flow) != gates:
                time.sleep(2e-5)
                continue
            with self._lock:
                if self._sleepers:
                    self.now_ns, _, gate = heapq.heappop(self._sleepers)
                    gate.release()

    def settle(self, flow: Flow[Any]) -> None:
        """Called by a thread of the flow: until all others, and the flow's caller, wait for something."""
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            gates = self._gates(flow)
            others = sum(thread.is_alive() for thread in flow._threads._threads)  # the caller in place of this one
            if len(gates) >= others and self._gates(flow) == gates:
                return
            time.sleep(2e-5)

    def _gates(self, flow: Flow[Any]) -> list[Any]:
        found: list[Any] = []
        for part in flow._line._stoppable:
            if isinstance(part, Channel):
                found += [*part._readers, *part._writers]
            else:
                found += part._moved._waiters
        with self._lock:
            found += [gate for _, _, gate in self._sleepers]
        return found


class SlotDevice:
    """A backend whose batches each take so long, however many are open."""

    way = "frames"
    flow: Flow[Any]  # that it works in

    def __init__(self, clock: VirtualClock, slots: int, takes_ns: Callable[[int], int]) -> None:
        self.slots = slots
        self._clock, self._takes_ns = clock, takes_ns

    def submit_frames(self, frames: Sequence[Frame]) -> _SlotTicket:
        self._clock.settle(self.flow)  # who waits for room in front of this stage puts its frame there meanwhile
        takes_ns = max(self._takes_ns(frame.index) for frame in frames)
        return _SlotTicket(self._clock, self._clock.now_ns + takes_ns, list(frames))


class _SlotTicket:
    def __init__(self, clock: VirtualClock, ready_ns: int, frames: list[Frame]) -> None:
        self._clock, self._ready_ns, self._frames = clock, ready_ns, frames

    def result(self) -> list[Frame]:
        self._clock.sleep_until(self._ready_ns)
        return self._frames


PICTURE = Image((np.zeros((2, 2, 3), np.uint8),), "bgr24")


def real_run(
    due_ns: Sequence[int], service_ns: Callable[[int, str], int], line: LineModel
) -> tuple[dict[int, int], dict[str, int]]:
    """What pipeline.flow makes of it: when each frame finished, and the drops by cause."""
    clock = VirtualClock()

    def frames() -> Iterator[Frame]:
        for number, due in enumerate(due_ns):
            clock.sleep_until(due)
            yield Frame(number, number, Fraction(1), 0.0, PICTURE)

    def working(name: str) -> Callable[[Frame], Frame]:
        def work(frame: Frame) -> Frame:
            clock.sleep_until(clock.now_ns + service_ns(frame.index, name))
            return frame

        return work

    devices: list[SlotDevice] = []

    def staged(model: StageModel) -> Stage:
        if not model.holds_back:
            return stage(model.name, each(working(model.name)), workers=model.workers, capacity=model.capacity)
        devices.append(SlotDevice(clock, model.slots, lambda number: service_ns(number, model.name)))
        step = Infer(cast(list[Any], devices[-1:]), lambda said: said[0])
        return stage(model.name, step, batch=model.batch, capacity=model.capacity)

    live = line.policy == "drop_oldest"
    assert not live or line.queue == 1
    stages = [staged(model) for model in line.stages]
    flow = Flow[Frame](feed(frames()), stages, live=live, in_flight=line.in_flight, capacity=line.queue)
    for device in devices:
        device.flow = flow
    finished: dict[int, int] = {}
    with flow, clock.driving(flow):
        for frame in flow:
            finished[frame.index] = clock.now_ns
    return finished, dict(flow.drops)
