"""What comes next, and what follows from what came back: the same whoever does the work."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.errors import SinkError
from pipeline.replay.ledger import Ledger
from pipeline.replay.naming import Clip
from pipeline.replay.tasks import Done, Failed, Layout, Result, Split, Task


@dataclass(slots=True)
class WorkerCount:
    """What one worker did in this run."""

    frames: int = 0
    busy_s: float = 0.0


@dataclass(slots=True)
class Counts:
    """What was done in this run, for who watches."""

    clips: int = 0  # done or given up
    failed: int = 0
    frames: int = 0
    retries: int = 0
    workers: dict[str, WorkerCount] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)  # of the outputs, each once


class Dispatch:
    """Hands out tasks and takes results. Every clip ends as done or as failed, once.

    Args:
        ledger: of the data set.
        layout: of its folder.
        retries: how often a task is tried again.
        may_split: whether long clips are cut.
        watch: called after every result.
    """

    def __init__(
        self, ledger: Ledger, layout: Layout, retries: int, may_split: bool, watch: Callable[[Counts], None]
    ) -> None:
        self.counts = Counts()
        self._ledger, self._layout, self._watch = ledger, layout, watch
        self._retries, self._may_split = retries, may_split
        self._first: deque[Task] = deque()  # joins, segments, and what is tried again
        self._fresh: deque[Task] = deque()
        self._last_id = 0
        self._tries: dict[tuple[int, str, int], int] = {}  # of tasks that failed and are not settled
        for clip_id, clip in ledger.split_clips():
            self._again(clip_id, clip)

    def next(self) -> Task | None:
        """A task to be done now; None: there is none, until a result brings another."""
        while self._first:
            task = self._first.popleft()
            if task.kind == "clip" or self._ledger.state(task.id) == "split":  # else its clip was given up
                return task
        if not self._fresh:
            for clip_id, clip, whole in self._ledger.waiting(self._last_id):
                self._fresh.append(Task(clip_id, clip, "clip", self._may_split and not whole))
                self._last_id = clip_id
        return self._fresh.popleft() if self._fresh else None

    def took(self, task: Task, result: Result, worker: str) -> None:
        """A task came back.

        Raises:
            SinkError: nothing can be written any more; what was written stays.
        """
        self._ledger.check()
        if isinstance(result, Failed):
            self._failed(task, result)
        elif isinstance(result, Split):
            self._ledger.split(task.id, result.spans)
            self._again(task.id, task.clip)
        else:
            self._done(task, result, worker)
        self._watch(self.counts)

    def lost(self, task: Task, reason: str) -> None:
        """Whoever had a task is gone."""
        self.took(task, Failed(reason, again=True), "")

    def _again(self, clip_id: int, clip: Clip) -> None:
        """Line up what is missing of a clip that is split."""
        segments = self._ledger.segments(clip_id)
        for number, span, done in segments:
            if done and not Path(self._layout.part(clip_id, number)).exists():
                self._ledger.segment(clip_id, number, False)
                done = False
            if not done:
                self._first.append(Task(clip_id, clip, "segment", span=span, number=number))
        if all(done for _, _, done in self._ledger.segments(clip_id)):
            self._first.append(Task(clip_id, clip, "join", number=len(segments)))

    def _done(self, task: Task, done: Done, worker: str) -> None:
        self._tries.pop((task.id, task.kind, task.number), None)
        counted = self.counts.workers.setdefault(worker, WorkerCount())
        counted.busy_s += done.busy_s
        self.counts.notes |= dict.fromkeys(done.notes)
        if task.kind != "join":
            counted.frames += done.frames
            self.counts.frames += done.frames
        if task.kind == "segment":
            if self._ledger.state(task.id) == "split" and not self._ledger.segment(task.id, task.number, True):
                count = len(self._ledger.segments(task.id))
                self._first.appendleft(Task(task.id, task.clip, "join", number=count))
            return
        self._ledger.done(task, done)
        self.counts.clips += 1
        if task.kind == "join":
            self._clear(task.id)

    def _failed(self, task: Task, failed: Failed) -> None:
        if failed.stop:
            raise SinkError(failed.reason, hint="mend that, then the same command with --resume goes on")
        if task.kind != "clip" and self._ledger.state(task.id) != "split":
            return  # another segment of its clip was first
        if failed.in_one_piece:
            self._ledger.in_one_piece(task.id, failed.reason)
            self._clear(task.id)
            self._first.append(Task(task.id, task.clip, "clip"))
            return
        key = task.id, task.kind, task.number
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        if failed.again and tries <= self._retries:
            self.counts.retries += 1
            self._first.append(replace(task))
            return
        del self._tries[key]
        self._ledger.failed(task.id, failed.reason, tries)
        self._clear(task.id)
        self.counts.clips += 1
        self.counts.failed += 1

    def _clear(self, clip_id: int) -> None:
        shutil.rmtree(Path(self._layout.parts) / str(clip_id), ignore_errors=True)
