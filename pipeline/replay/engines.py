"""The table of engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.errors import ConfigError
from pipeline.replay.engine import Engine, Job

ENGINES = ("local", "ray")


@dataclass(frozen=True, slots=True)
class Crew:
    """How many workers, and what each takes."""

    workers: int | None = None  # None: as many as there is room for
    address: str | None = None  # ray: of a cluster; None: one of this machine alone
    cpus: float | None = None  # ray: cores of each worker
    gpus: float = 0.0  # ray: GPUs of each worker


def engine_maker(name: str, crew: Crew) -> Callable[[Job], Engine]:
    """What makes an engine of that name for a job.

    Raises:
        ConfigError: there is no such engine, or an option that it does not have.
    """
    if crew.workers is not None and crew.workers < 1:
        raise ConfigError(f"{crew.workers} workers do nothing", hint="give 1 or more")
    if name == "local":
        if crew.address is not None or crew.cpus is not None or crew.gpus:
            raise ConfigError("--ray-address, --cpus and --gpus are of Ray", hint="add --engine ray")

        def local(job: Job) -> Engine:
            from pipeline.replay.local import LocalEngine

            return LocalEngine(job, crew.workers)

        return local
    if name == "ray":
        if (crew.cpus is not None and crew.cpus <= 0) or crew.gpus < 0:
            raise ConfigError("a worker takes more than 0 cores and no less than 0 GPUs", hint="such as --cpus 2")

        def on_ray(job: Job) -> Engine:
            from pipeline.replay.on_ray import RayEngine

            return RayEngine(job, crew.workers, crew.address, crew.cpus, crew.gpus)

        return on_ray
    raise ConfigError(f"there is no engine {name!r}", hint=f"known are {' and '.join(ENGINES)}")
