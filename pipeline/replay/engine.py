"""Who runs the workers: one machine or a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec

from engines.backends.base import MOST_WORKERS
from pipeline.config import Config
from pipeline.replay.dispatch import Dispatch
from pipeline.replay.tasks import Layout


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker is told."""

    config: Config
    layout: Layout
    segment_s: float


class Engine(Protocol):
    """Workers, from their start to their end. Used in a `with`."""

    def __enter__(self) -> Engine: ...

    def __exit__(self, *error: object) -> None:
        """Stop every worker, whatever it does; what it was writing is under a temporary name."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """Of the data set that the first worker would write; waits for it.

        Raises:
            UserError: the networks cannot be run.
        """
        ...

    def run(self, dispatch: Dispatch, stopping: Callable[[], bool]) -> None:
        """Work until nothing is left, or until `stopping`.

        Raises:
            UserError: no worker can work, or they are not alike.
        """
        ...


def with_cores(job: Job, cores: int) -> Job:
    """The job for workers that have so many cores each, unless a user says how the networks are to be run.

    Runs of one thread each: they lose nothing to waiting for one another, and give the same bytes on any number of
    cores.
    """
    backend = job.config.backend
    if backend.workers is not None or backend.threads is not None:
        return job
    backend = msgspec.structs.replace(backend, workers=max(1, min(cores, MOST_WORKERS)), threads=1)
    return replace(job, config=msgspec.structs.replace(job.config, backend=backend))


def absolute(config: Config) -> Config:
    """The configuration with whole paths, for workers on other machines: what one has verified, another has not."""
    precision = "f32" if config.backend.precision == "auto" else config.backend.precision
    backend = msgspec.structs.replace(config.backend, precision=precision)
    models = tuple(os.path.abspath(name) if Path(name).exists() else name for name in config.model)
    return msgspec.structs.replace(config, model=models, backend=backend)
