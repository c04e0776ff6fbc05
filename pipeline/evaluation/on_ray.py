"""An evaluation on a Ray cluster: parts of a data set are scored apart, and what they counted is added up exactly."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.cluster import connected, ray_module, room
from pipeline.config import Config
from pipeline.datasets import LeftOut
from pipeline.errors import BackendError, ConfigError, DataError, UserError
from pipeline.evaluation.labelled import Labelled, Wanted, open_labelled
from pipeline.evaluation.ray_parts import Parts
from pipeline.evaluation.scoring import Scores, open_scores
from pipeline.flow import Flow
from pipeline.networks import networks
from pipeline.replay.engine import Job, absolute, with_cores
from pipeline.replay.engines import Crew
from pipeline.replay.identity import difference, identity
from pipeline.replay.tasks import Layout
from pipeline.replay.worker import quiet_threads
from pipeline.report import model_report
from pipeline.running.assemble import build
from pipeline.types import Picture

_PART = 64  # images in a part, at most


@dataclass(frozen=True, slots=True)
class Part:
    """What was counted on a run of images."""

    scores: Scores
    images: int
    left_out: tuple[LeftOut, ...]
    busy_s: float
    worker: str
    identity: Mapping[str, Any]
    models: Sequence[Mapping[str, Any]]


def evaluate_on_ray(
    wanted: Wanted, config: Config, crew: Crew, mappings: Sequence[str] = (), boundaries: bool = False
) -> dict[str, Any]:
    """Score networks on labelled images, many at once; what `evaluation_report` says, but for the times of stages.

    Every figure of accuracy is, to the last digit, that of one machine: counts are whole numbers, the scores of found
    objects are put one behind the other in the order of the images, and sums of fractions are kept exactly.

    Args:
        wanted: the labelled images; every node must see them at the same path.
        config: of the run.
        crew: how many workers, and what each takes.
        mappings, boundaries: see pipeline.evaluation.evaluate.

    Raises:
        UserError: anything a user can mend.
    """
    began_s = time.monotonic()
    data = open_labelled(wanted, config)
    count = data.source.info.frames
    if wanted.dataset.partition(":")[0] == "demo" or count is None:
        raise ConfigError("a drawn drive is not split over workers", hint="leave --engine out")
    if config.source.frames is not None:
        raise ConfigError("--frames counts images that can be read, which workers apart cannot", hint="leave it out")
    with connected(crew.address) as ray:
        cpus = 2.0 if crew.cpus is None else crew.cpus
        if not (places := room(ray, cpus, crew.gpus)):
            raise BackendError(
                f"no node of the cluster has the {cpus:g} cores that a worker takes", hint="ask for less with --cpus"
            )
        size = max(1, min(_PART, count // (2 * (crew.workers or places))))
        starts = range(0, count, size)
        job = with_cores(Job(absolute(config), Layout("", ""), 0), max(1, int(cpus)))
        seen = replace(wanted, root=os.path.abspath(wanted.root or ""))
        tables = tuple(os.path.abspath(name) if os.path.isfile(name) else name for name in mappings)
        actor = ray.remote(
            num_cpus=cpus,
            num_gpus=crew.gpus,
            max_restarts=0,
            max_task_retries=0,
            runtime_env={"env_vars": {"OPENBLAS_NUM_THREADS": "1"}},
        )(_Evaluator)
        parts = Parts(
            ray,
            lambda: actor.remote(seen, job.config, tables, boundaries, (size, count)),
            lambda: crew.workers or max(1, room(ray, cpus, crew.gpus)),
        )
        whole: Part | None = None
        counted: dict[str, list[float]] = {}
        for part in parts.in_order(len(starts)):
            images, busy_s = counted.setdefault(part.worker, [0, 0.0])
            counted[part.worker] = [images + part.images, busy_s + part.busy_s]
            # Arrays that Ray hands over cannot be written to: the first part is copied, the others added to it.
            whole = copy.deepcopy(part) if whole is None else _added(whole, part)
    if whole is None or not whole.images:
        why = f": {whole.left_out[0].reason}" if whole and whole.left_out else ""
        raise DataError(f"{data.name}: not one image could be scored{why}", hint="mend the data set")
    return _report(data, config, whole, counted, time.monotonic() - began_s)


def _added(whole: Part, later: Part) -> Part:
    if unlike := difference(whole.identity, later.identity):
        raise BackendError(
            f"the worker {later.worker} is unlike {whole.worker}: {unlike}", hint="install the same on every node"
        )
    whole.scores.merge(later.scores)
    return replace(whole, images=whole.images + later.images, left_out=(*whole.left_out, *later.left_out))


def _report(
    data: Labelled, config: Config, whole: Part, counted: Mapping[str, Sequence[float]], wall_s: float
) -> dict[str, Any]:
    left_out = [*data.left_out, *whole.left_out]
    decode = config.decode
    return {
        "dataset": {"name": data.name, "split": data.split, "terms": data.terms},
        "images": whole.images,
        "left_out": {"count": len(left_out), "files": [one._asdict() for one in left_out]},
        "interrupted": False,
        **whole.scores.report(),
        "decode": {"conf": decode.conf, "iou": decode.iou, "max_det": decode.max_det, "agnostic": decode.agnostic},
        "models": list(whole.models),
        "fps": round(whole.images / wall_s, 3),
        "workers": {
            name: {"images": int(images), "busy_s": round(busy_s, 3)}
            for name, (images, busy_s) in sorted(counted.items())
        },
    }


class _Evaluator:
    """The actor's side.

    Args:
        cut: images in a part, and in all.
    """

    def __init__(
        self, wanted: Wanted, config: Config, mappings: Sequence[str], boundaries: bool, cut: tuple[int, int]
    ) -> None:
        quiet_threads()
        self._size, self._count = cut
        self._wanted, self._config, self._mappings, self._boundaries = wanted, config, mappings, boundaries
        self._nets: Any = None
        self._name = f"{ray_module().get_runtime_context().get_node_id()[:8]}:{os.getpid()}"

    def start(self) -> UserError | None:
        """Load the networks."""
        try:
            self._nets = networks(self._config)
        except UserError as error:
            return error
        return None

    def score(self, number: int) -> Part | UserError:
        """Score the images of a part."""
        begin = number * self._size
        try:
            return self._scored(begin, min(begin + self._size, self._count))
        except UserError as error:
            return error

    def _scored(self, begin: int, end: int) -> Part:
        began_s, nets = time.monotonic(), self._nets
        data = open_labelled(replace(self._wanted, part=(begin, end)), self._config)
        before = len(data.left_out)
        scores = open_scores(
            [net.card for net in nets],
            data.classes,
            data.object_classes,
            self._mappings,
            data.not_in_mean,
            self._boundaries,
            data.rules,
        )
        images = 0
        flow: Flow[Picture]
        flow = build(self._config, data.source, nets, dropped=lambda: flow.drops)
        with flow:
            for picture in flow:
                scores.add(picture.scene.frame.truth, picture.scene)
                images += 1
        left_out = data.left_out[before:]
        busy_s = time.monotonic() - began_s
        models = [model_report(net) for net in nets]
        return Part(scores, images, left_out, busy_s, self._name, identity(self._config, nets), models)
