"""Workers as Ray actors: each loads its networks once, on whatever node has room, and is replaced where it dies."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.cluster import connected, room
from pipeline.errors import BackendError, SinkError, UserError
from pipeline.replay.crew import LOOK_S, took, work_off
from pipeline.replay.dispatch import Dispatch
from pipeline.replay.engine import Job, absolute, with_cores
from pipeline.replay.identity import difference
from pipeline.replay.ledger import FILE as MANIFEST
from pipeline.replay.tasks import Result, Task

_STARTS = 3  # so often in a row may actors die before they are ready, beside one a worker
_CPUS = 2.0  # cores of a worker, where nobody says


class RayEngine:
    """Actors, each with one task at a time: what is not asked for waits in the ledger. See engine.Engine.

    Args:
        job: what they are told; its folder must be one that every node sees.
        workers: how many; None: as many as the nodes have room for, also when nodes come and go.
        address: of the cluster; None: Ray on this machine alone.
        cpus, gpus: of each worker; None: two cores.
    """

    def __init__(
        self, job: Job, workers: int | None, address: str | None, cpus: float | None, gpus: float = 0.0
    ) -> None:
        self._workers, self._address = workers, address
        self._cpus, self._gpus = _CPUS if cpus is None else cpus, gpus
        self._job = with_cores(replace(job, config=absolute(job.config)), max(1, int(self._cpus)))
        self._closing = ExitStack()
        self._ray: Any = None
        self._crew: list[_Actor] = []
        self._identity: Mapping[str, Any] | None = None
        self._died = 0  # in a row, before they were ready

    def __enter__(self) -> RayEngine:
        self._ray = self._closing.enter_context(connected(self._address))
        return self

    def __exit__(self, *error: object) -> None:
        idle = [actor.handle.close.remote() for actor in self._crew if actor.ready and actor.task is None]
        if idle:
            self._ray.wait(idle, num_returns=len(idle), timeout=5)
        for actor in self._crew:
            self._ray.kill(actor.handle)
        self._crew = []
        self._closing.close()

    def identity(self) -> Mapping[str, Any]:
        """Of the first actor."""
        if not room(self._ray, self._cpus, self._gpus):
            raise BackendError(
                f"no node of the cluster has the {self._cpus:g} cores and {self._gpus:g} GPUs that a worker takes",
                hint="ask for less with --cpus and --gpus, or add a node",
            )
        while self._identity is None:
            self._fill(1)
            self._hear_all(None)
        return self._identity

    def run(self, dispatch: Dispatch, stopping: Callable[[], bool]) -> None:
        """Hand tasks to whoever is free, until nothing is left."""
        work_off(
            dispatch,
            self._crew,
            stopping,
            fill=lambda: self._fill(self._workers or max(1, room(self._ray, self._cpus, self._gpus))),
            hear=lambda: self._hear_all(dispatch),
        )

    def _fill(self, wanted: int) -> None:
        while len(self._crew) < wanted:
            self._crew.append(_Actor(self._ray, self._job, self._cpus, self._gpus))

    def _hear_all(self, dispatch: Dispatch | None) -> None:
        by = {actor.answer: actor for actor in self._crew if actor.answer is not None}
        if not by:
            return
        came, _ = self._ray.wait(list(by), num_returns=1, timeout=LOOK_S)
        for answer in came:
            self._hear(by[answer], dispatch)

    def _hear(self, actor: _Actor, dispatch: Dispatch | None) -> None:
        """Take what an actor says, or note that it is gone."""
        answer, actor.answer = actor.answer, None
        try:
            said = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            self._gone(actor, type(error).__name__, dispatch)
            return
        if isinstance(said, UserError):
            raise said
        if not actor.ready:
            self._welcome(actor, said)
            return
        assert dispatch is not None
        if not took(dispatch, actor, said):
            self._crew.remove(actor)
            self._ray.kill(actor.handle)

    def _welcome(self, actor: _Actor, said: Any) -> None:
        actor.name, identity = said
        actor.ready, self._died = True, 0
        self._identity = self._identity or identity
        if unlike := difference(self._identity, identity):
            raise BackendError(
                f"the worker {actor.name} would write another data set than the first: {unlike}",
                hint="install the same versions on every node",
            )

    def _gone(self, actor: _Actor, how: str, dispatch: Dispatch | None) -> None:
        self._crew.remove(actor)
        self._ray.kill(actor.handle)
        if actor.task is not None and dispatch is not None:
            dispatch.lost(actor.task, f"the worker died of it ({how})")
            return
        self._died += 1
        if self._died >= _STARTS + (self._workers or 1):
            raise BackendError(f"workers die while they load the networks ({how})", hint="look into Ray's logs")


@dataclass(slots=True)
class _Actor:
    """One actor, seen from outside; see crew.Member."""

    handle: Any
    answer: Any  # what it owes: its identity first, then the result of its task; None: nothing
    name: str
    ready: bool
    task: Task | None

    def __init__(self, ray: Any, job: Job, cpus: float, gpus: float) -> None:
        # Nothing is tried again by Ray itself: the ledger counts the tries.
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_restarts": 0, "max_task_retries": 0}
        environment = {"env_vars": {"OPENBLAS_NUM_THREADS": "1"}}
        self.handle = ray.remote(**options, runtime_env=environment)(_Remote).remote()
        self.answer = self.handle.start.remote(job)
        self.name, self.ready, self.task = "", False, None

    def give(self, task: Task) -> None:
        """See crew.Member."""
        self.task, self.answer = task, self.handle.do.remote(task)


class _Remote:
    """The actor's side."""

    def __init__(self) -> None:
        self._worker: Any = None

    def start(self, job: Job) -> tuple[str, Mapping[str, Any]] | UserError:
        """Load the networks: who this is and what it would write, or why it cannot work."""
        from pipeline.cluster import ray_module
        from pipeline.replay.worker import Worker, quiet_threads

        quiet_threads()
        name = f"{ray_module().get_runtime_context().get_node_id()[:8]}:{os.getpid()}"
        if not (Path(job.layout.out) / MANIFEST).exists():
            return SinkError(
                f"{job.layout.out} is not the same folder on every node", hint="write into one that all nodes share"
            )
        try:
            self._worker = Worker(job.config, job.layout, job.segment_s)
        except UserError as error:
            return error
        return name, self._worker.identity

    def do(self, task: Task) -> Result:
        """Do one piece of work."""
        result: Result = self._worker.do(task)
        return result

    def close(self) -> None:
        """Let go of what was loaded and fetched."""
        self._worker.close()
