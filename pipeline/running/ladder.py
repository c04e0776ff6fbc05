"""The ways in which networks may run, from the best to the cheapest, all loaded and warm before a frame comes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np

from engines.backends.ladder import LadderBackend
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.image import Image
from pipeline.live.budget import Controller, Step
from pipeline.networks import Network, networks
from pipeline.preprocess import Preprocessor
from pipeline.types import Frame, Picture, Prepared

_RUNS = 3  # of each rung while it is warmed; the least counts
_CHEAPER = 0.93  # a rung that costs more than this share of the one before gains nothing
_USUAL_HW = (720, 1280)


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to run all networks."""

    name: str
    nets: tuple[Network, ...]
    cost_ms: float  # a frame, preparing and running, as warmed

    @property
    def sizes(self) -> list[str]:
        """Of the networks' inputs, for people."""
        return ["{1}x{0}".format(*net.preprocessor.network_sizes[-1]) for net in self.nets]


class Ladder:
    """Networks that run at the rung that the age of the frames calls for.

    Args:
        rungs: at least two, each cheaper than the one before.
        config: the budget section is what is kept to.
    """

    def __init__(self, rungs: Sequence[Rung], config: Config) -> None:
        self.rungs = tuple(rungs)
        self._budget_ms = config.budget.ms or 0.0
        costs = [rung.cost_ms for rung in rungs]
        self._controller = Controller(self._budget_ms / 1e3, costs, config.budget.climb_after_s)
        self._now = 0
        self.steps: list[dict[str, Any]] = []
        self._frames: Counter[str] = Counter()
        self._late = 0
        self.nets = tuple(self._laddered(number) for number in range(len(rungs[0].nets)))

    def add(self, picture: Picture, done_s: float) -> str:
        """Count a finished frame; what changes because of it, for people, "" where nothing does."""
        frame = picture.scene.frame
        self._frames[picture.scene.rung] += 1
        self._late += done_s - frame.captured_s > self._budget_ms / 1e3
        step = self._controller.add(frame.captured_s, done_s)
        return "" if step is None else self._take(step, frame)

    def _take(self, step: Step, frame: Frame) -> str:
        before, now = self.rungs[step.before].name, self.rungs[step.rung].name
        self._now = step.rung
        p95_ms = round(step.p95_s * 1e3, 1)
        self.steps.append({"frame": frame.index, "pts_s": frame.pts_s, "from": before, "to": now, "p95_ms": p95_ms})
        return f"p95 of the age {p95_ms} ms, budget {self._budget_ms:g} ms: from {before} to {now}"

    def report(self) -> dict[str, Any]:
        """For the summary."""
        counted = sum(self._frames.values())
        return {
            "ms": self._budget_ms,
            "rungs": [
                {"name": r.name, "inputs": r.sizes, "warm_ms": round(r.cost_ms, 2), "frames": self._frames[r.name]}
                for r in self.rungs
            ],
            "steps": self.steps,
            "over_budget": self._late / counted if counted else None,
        }

    def _laddered(self, number: int) -> Network:
        first = self.rungs[0].nets[number]
        backend = LadderBackend({rung.name: rung.nets[number].selection.backend for rung in self.rungs})
        prepared = _LadderPreprocessor(self, [rung.nets[number].preprocessor for rung in self.rungs])
        return replace(first, selection=replace(first.selection, backend=backend), preprocessor=prepared)

    @property
    def rung(self) -> tuple[int, str]:
        """Number and name of the one that frames are prepared for now."""
        return self._now, self.rungs[self._now].name


class _LadderPreprocessor(Preprocessor):
    """Prepares each frame for the rung of the moment."""

    def __init__(self, ladder: Ladder, each: Sequence[Preprocessor]) -> None:
        self._ladder, self._each = ladder, each

    def another(self) -> Preprocessor:
        """See Preprocessor."""
        return _LadderPreprocessor(self._ladder, [one.another() for one in self._each])

    def prepare(self, frame: Frame) -> Prepared:
        """See Preprocessor."""
        number, name = self._ladder.rung
        return replace(self._each[number].prepare(frame), rung=name)

    @property
    def network_sizes(self) -> list[tuple[int, int]]:
        """Of all rungs."""
        return sorted({size for one in self._each for size in one.network_sizes})


def open_ladder(config: Config) -> Ladder:
    """Load, verify and warm every rung; those that are no cheaper than the one before are closed again.

    Raises:
        ConfigError: there is only one way to run these networks.
        UserError: see networks.
    """
    opened: list[Rung] = []
    try:
        for backend in dict.fromkeys((config.backend.name, *config.budget.backends)):
            # Which rung runs a frame is known to its tensor: no backend here takes frames.
            told = msgspec.structs.replace(config.backend, name=backend, way="tensors")
            chosen = msgspec.structs.replace(config, backend=told)
            for scale in sorted(set(config.budget.scales), reverse=True):
                nets = networks(chosen, scale)
                name = f"{scale:.0%}" + (f" {backend}" if config.budget.backends else "")
                opened.append(Rung(name, nets, cost_ms=0.0))  # to be closed, whatever warming meets
                opened[-1] = replace(opened[-1], cost_ms=_warm(nets))
        rungs = [opened[0]]
        for rung in sorted(opened[1:], key=lambda one: -one.cost_ms):
            if rung.cost_ms < _CHEAPER * rungs[-1].cost_ms:
                rungs.append(rung)
        if len(rungs) < 2:
            names = ", ".join(net.card.name for net in opened[0].nets)
            raise ConfigError(
                f"--budget: there is one way to run {names} here, and no cheaper one to step to",
                hint="export with free sizes, or name backends: --set budget.backends=[openvino,onnxruntime-cpu]",
            )
    except BaseException:
        _close(opened)
        raise
    _close([rung for rung in opened if rung not in rungs])
    return Ladder(rungs, config)


def _warm(nets: Sequence[Network]) -> float:
    """Run them until everything that is made at the first frames is made; the least time of a frame, ms."""
    frame = Frame(0, 0, Fraction(1, 30), 0.0, Image((np.full((*_USUAL_HW, 3), 114, np.uint8),), "bgr24"))
    least_s = float("inf")
    for _ in range(1 + _RUNS):
        began_s = time.perf_counter()
        for net in nets:
            prepared = net.preprocessor.prepare(frame)
            net.selection.backend.submit([prepared]).result()
            if prepared.lease is not None:
                prepared.lease.release()
        least_s = min(least_s, time.perf_counter() - began_s)
    return least_s * 1e3


def _close(rungs: Sequence[Rung]) -> None:
    for rung in rungs:
        for net in rung.nets:
            net.selection.backend.close()
