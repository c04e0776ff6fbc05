"""Workers as processes of this machine, each with its networks and its share of the cores."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, wait
from typing import Any

from engines.machine import available_cores
from pipeline.errors import BackendError, UserError
from pipeline.replay.crew import LOOK_S, took, work_off
from pipeline.replay.dispatch import Dispatch
from pipeline.replay.engine import Job, with_cores
from pipeline.replay.tasks import Task

_STARTS = 3  # so often in a row may workers die before they are ready


class LocalEngine:
    """Processes that are started anew where they die; see engine.Engine.

    Args:
        job: what they are told.
        workers: how many; None: one for every two cores.
    """

    def __init__(self, job: Job, workers: int | None) -> None:
        cores = available_cores()
        self._workers = workers or max(1, cores // 2)
        self._job = with_cores(job, cores // self._workers)
        self._crew: list[_Process] = []
        self._died = 0  # in a row, before they were ready

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._crew:
            process.dismiss()
        for process in self._crew:
            process.join()
        self._crew = []

    def identity(self) -> Mapping[str, Any]:
        """Of the first worker."""
        while not any(process.identity for process in self._crew):
            self._fill(1)
            self._hear_all(None, None)
        return next(process.identity for process in self._crew if process.identity)

    def run(self, dispatch: Dispatch, stopping: Callable[[], bool]) -> None:
        """Hand tasks to whoever is free, until nothing is left."""
        work_off(
            dispatch,
            self._crew,
            stopping,
            fill=lambda: self._fill(self._workers),
            hear=lambda: self._hear_all(dispatch, LOOK_S),
        )

    def _fill(self, wanted: int) -> None:
        while len(self._crew) < wanted:
            self._crew.append(_Process(self._job))

    def _hear_all(self, dispatch: Dispatch | None, timeout_s: float | None) -> None:
        by = {process.pipe: process for process in self._crew}
        for pipe in wait(list(by), timeout_s):
            self._hear(by[pipe], dispatch)  # type: ignore[index]

    def _hear(self, process: _Process, dispatch: Dispatch | None) -> None:
        """Take what a worker says, or note that it is gone."""
        try:
            said = process.pipe.recv()
        except (EOFError, OSError):
            self._gone(process, dispatch)
            return
        if isinstance(said, UserError):
            raise said
        if not process.ready:
            process.identity, self._died = said, 0
            return
        assert dispatch is not None
        if not took(dispatch, process, said):
            self._crew.remove(process)
            process.stop()
            process.join()

    def _gone(self, process: _Process, dispatch: Dispatch | None) -> None:
        self._crew.remove(process)
        code = process.join()
        how = signal.Signals(-code).name if code is not None and code < 0 else f"code {code}"
        if process.task is not None and dispatch is not None:
            dispatch.lost(process.task, f"the worker died of it ({how})")
            return
        self._died += not process.ready
        if self._died >= _STARTS:
            raise BackendError(
                f"workers die while they load the networks ({how})",
                hint="is there memory for so many? try --workers 1",
            )


class _Process:
    """One worker process, seen from outside; see crew.Member."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, job), daemon=True)
        self._process.start()
        theirs.close()
        self.name = f"{os.uname().nodename}:{self._process.pid}"
        self.identity: Mapping[str, Any] | None = None
        self.task: Task | None = None

    @property
    def ready(self) -> bool:
        """Whether it has said who it is."""
        return self.identity is not None

    def give(self, task: Task) -> None:
        """See crew.Member."""
        self.task = task
        with contextlib.suppress(OSError):
            self.pipe.send(task)

    def dismiss(self) -> None:
        """Let it end by itself where it is idle; else end it."""
        if not self.ready or self.task is not None:
            self.stop()
            return
        with contextlib.suppress(OSError):
            self.pipe.send(None)

    def stop(self) -> None:
        """End it now."""
        self._process.terminate()

    def join(self) -> int | None:
        """Wait for its end; its exit code."""
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(5)
        self.pipe.close()
        return self._process.exitcode


def _work(pipe: Connection, job: Job) -> None:
    """The worker's side: its identity first, or why it cannot work; then a result for every task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to answer
    from pipeline.replay.worker import Worker, quiet_threads

    quiet_threads()
    try:
        worker = Worker(job.config, job.layout, job.segment_s)
    except UserError as error:
        pipe.send(error)
        return
    try:
        pipe.send(worker.identity)
        while (task := pipe.recv()) is not None:
            pipe.send(worker.do(task))
    except (EOFError, OSError):  # the driver is gone
        pass
    finally:
        worker.close()
