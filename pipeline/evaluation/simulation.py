"""The flow of frames under a virtual clock: given how long each stage takes for each frame, what comes out when.

A discrete-event simulation of pipeline.flow, standard library only. Times are whole nanoseconds, so two simulations
give the same bytes and "at the same moment" is exact. What happens at one moment happens in this order: work ends,
what began first first; then frames come. tests/test_simulation.py holds it against the real threads under
a clock of its own.

Not simulated: the hand-over between threads (some 50 us each), and stages that slow each other down on the same
cores: the service times are taken as they are.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

Policy = Literal["drop_oldest", "block"]


@dataclass(frozen=True, slots=True)
class StageModel:
    """A stage: see pipeline.flow.Stage.

    One with slots has one worker, which hands batches to a device and holds them back, as pipeline.running.inferring
    does: while less than `slots` are open it takes what waits; where nothing waits, or all are open, it waits for the
    oldest one. A batch takes as long as its slowest frame.
    """

    name: str
    workers: int = 1
    capacity: int = 2  # frames that may wait behind it
    slots: int = 1  # batches that may be open at once
    batch: int = 1  # most frames of one

    @property
    def holds_back(self) -> bool:
        """Whether it has slots or batches."""
        return self.slots > 1 or self.batch > 1


@dataclass(frozen=True, slots=True)
class LineModel:
    """What stands behind a source: see pipeline.flow.Flow. A live flow drops the oldest in a queue of 1."""

    stages: tuple[StageModel, ...]
    policy: Policy = "drop_oldest"
    queue: int = 1  # frames that may wait in front of the first stage
    in_flight: int | None = None  # most frames behind that queue; None: any number


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of it."""

    finished_ns: Mapping[int, int]  # frame -> when its result was there, in that order
    dropped: tuple[int, ...]  # frames, in the order of dropping


def simulate(due_ns: Sequence[int], service_ns: Callable[[int, str], int], line: LineModel) -> Simulated:
    """Let frames 0, 1, 2 ... pass through.

    Args:
        due_ns: when each frame comes, ascending.
        service_ns: how long a stage takes for a frame; asked once for each, at the moment it begins.
        line: the stages and the policy.

    Raises:
        ValueError: times that do not ascend or are less than 0, or a line without stages, room or credits.
    """
    if any(later < earlier for earlier, later in pairwise(due_ns)):
        raise ValueError("frames come in the order of their times")
    sizes = [n for stage in line.stages for n in (stage.workers, stage.capacity, stage.slots, stage.batch)]
    if not line.stages or min(line.queue, *sizes) < 1 or (line.in_flight is not None and line.in_flight < 1):
        raise ValueError("a line needs stages, and at least 1 of everything it has")
    if any(stage.holds_back and stage.workers > 1 for stage in line.stages):
        raise ValueError("a line has stages with slots or with workers, not with several of both")
    return _Run(due_ns, service_ns, line).result()


@dataclass(slots=True)
class _Stage:
    model: StageModel
    inbox: deque[int]
    outbox: deque[int] = field(default_factory=deque)
    busy: int = 0
    tickets: int = 0  # taken so far
    next: int = 0  # the ticket that leaves next
    done: dict[int, int] = field(default_factory=dict)  # ticket -> frame whose work has ended but that has not left
    held: deque[tuple[int, list[int]]] = field(default_factory=deque)  # open batches: when each is ready, its frames

    @property
    def free(self) -> int:
        """Workers that can take a frame.

        One worker alone waits until its result has left. Of several, the one whose result is due sends what is due
        of the others too; they work on, unless they are two rounds ahead of it (pipeline.flow.outlet).
        """
        workers = self.model.workers
        if workers == 1:
            return 0 if self.busy or self.done else 1
        sending = self.next in self.done
        too_far = sum(ticket - self.next >= 2 * workers for ticket in self.done)
        return workers - self.busy - sending - too_far


class _Run:
    def __init__(self, due_ns: Sequence[int], service_ns: Callable[[int, str], int], line: LineModel) -> None:
        self._due_ns, self._service_ns, self._line = due_ns, service_ns, line
        self._queue: deque[int] = deque()
        self._credits = line.in_flight
        self._stages: list[_Stage] = []
        inbox = self._queue
        for model in line.stages:
            self._stages.append(_Stage(model, inbox))
            inbox = self._stages[-1].outbox
        self._ends: list[tuple[int, int, int, int, int]] = []  # (when, order, stage, ticket, frame)
        self._begun = 0
        self._next = 0  # frame that comes next
        self._finished: dict[int, int] = {}
        self._dropped: list[int] = []

    def result(self) -> Simulated:
        now_ns = 0
        while True:
            due_ns = self._due_ns[self._next] if self._next < len(self._due_ns) else None
            if self._ends and (due_ns is None or not self._room() or self._ends[0][0] <= max(due_ns, now_ns)):
                now_ns, _, number, ticket, frame = heapq.heappop(self._ends)
                stage = self._stages[number]
                stage.busy -= 1
                done = stage.held.popleft()[1] if stage.model.holds_back else [frame]
                stage.done |= dict(enumerate(done, ticket))
            elif due_ns is not None:
                now_ns = max(now_ns, due_ns)
                self._come()
            else:
                break
            while self._held_up(now_ns) or self._move(now_ns):
                pass
        return Simulated(self._finished, tuple(self._dropped))

    def _room(self) -> bool:
        return self._line.policy == "drop_oldest" or len(self._queue) < self._line.queue

    def _held_up(self, now_ns: int) -> bool:
        """Whether a frame that had to wait for room in front of the first stage got it."""
        late = self._next < len(self._due_ns) and self._due_ns[self._next] < now_ns and self._room()
        if late:
            self._come()
        return late

    def _come(self) -> None:
        while len(self._queue) >= self._line.queue:
            self._dropped.append(self._queue.popleft())
        self._queue.append(self._next)
        self._next += 1

    def _move(self, now_ns: int) -> bool:
        """Everything that takes no time; whether anything moved."""
        moved = False
        last = self._stages[-1].outbox
        while last:  # the caller takes all it can get at once
            self._finished[last.popleft()] = now_ns
            if self._credits is not None:
                self._credits += 1
            moved = True
        for number in range(len(self._stages) - 1, -1, -1):
            stage = self._stages[number]
            while stage.next in stage.done and len(stage.outbox) < stage.model.capacity:
                stage.outbox.append(stage.done.pop(stage.next))
                stage.next += 1
                moved = True
            if stage.model.holds_back:
                moved |= self._hold(number, stage, now_ns)
                continue
            while stage.free and self._ready(number, stage):
                self._begin(number, stage, now_ns)
                moved = True
        return moved

    def _ready(self, number: int, stage: _Stage) -> int:
        """How many frames a stage may take now."""
        waiting = len(stage.inbox)
        return waiting if number or self._credits is None else min(waiting, self._credits)

    def _take(self, number: int, stage: _Stage) -> tuple[int, int]:
        """The frame that has waited longest, and how long the stage takes for it."""
        frame = stage.inbox.popleft()
        if not number and self._credits is not None:
            self._credits -= 1
        takes_ns = self._service_ns(frame, stage.model.name)
        if takes_ns < 0:
            raise ValueError(f"stage {stage.model.name!r} takes {takes_ns} ns for frame {frame}")
        return frame, takes_ns

    def _begin(self, number: int, stage: _Stage, now_ns: int) -> None:
        frame, takes_ns = self._take(number, stage)
        self._ends_at(now_ns + takes_ns, number, frame)
        stage.tickets += 1

    def _hold(self, number: int, stage: _Stage, now_ns: int) -> bool:
        """What the only worker of a stage with slots does, unless it waits for a batch or to hand one on."""
        if stage.busy or stage.done:
            return False
        if ready := self._ready(number, stage):
            taken = [self._take(number, stage) for _ in range(min(ready, stage.model.batch))]
            takes_ns = max(takes_ns for _, takes_ns in taken)
            stage.held.append((now_ns + takes_ns, [frame for frame, _ in taken]))
            if len(stage.held) < stage.model.slots:
                return True
        elif not stage.held:
            return False
        ready_ns, frames = stage.held[0]
        self._ends_at(max(now_ns, ready_ns), number, frames[0])
        stage.tickets += len(frames)
        return True

    def _ends_at(self, when_ns: int, number: int, frame: int) -> None:
        stage = self._stages[number]
        heapq.heappush(self._ends, (when_ns, self._begun, number, stage.tickets, frame))
        self._begun += 1
        stage.busy += 1
