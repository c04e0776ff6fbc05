"""What a benchmark is asked for: scenario, times, and the cases it compares."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from engines.embedded import BEST
from pipeline.config import Config
from pipeline.errors import ConfigError

MOST_STREAMS = 64
OUTPUTS = ("video", "picture", "scene")


@dataclass(frozen=True, slots=True)
class Scenario:
    """How frames come, and from when on a frame's age counts."""

    name: str
    told: str  # for people
    paced: bool = False  # frames come at a rate of their own, whoever is ready; live: the newest is kept
    alone: bool = False  # one frame at a time
    streams: int = 1  # by default


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        scenario.name: scenario
        for scenario in (
            Scenario("throughput", "a recorded source, every stage busy; age counts from when a frame was read"),
            Scenario("single-stream", "one frame at a time; age counts from when it was asked for", alone=True),
            Scenario(
                "live",
                "frames come at a pace of their own, the newest is kept; age counts from when a frame was due",
                paced=True,
            ),
            Scenario(
                "multi-stream",
                "several live sources in turn, as in a run; age counts from when a frame was due",
                paced=True,
                streams=2,
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """How a benchmark is run.

    Raises:
        ConfigError: an unknown scenario, or a number out of range.
    """

    scenario: Scenario
    streams: int = 1
    fps: float | None = None  # of a paced source; None: the source's own
    seconds: float = 12.0  # measured time of a case, the network alone not counted
    windows: int = 8  # that it is cut into; with fewer than 6 no interval is stated
    stable_percent: float = 5.0  # the last windows of the warm-up agree within this
    warm_up_s: float = 20.0  # most
    output: str = "video"  # where a frame's way ends: video, picture or scene
    frames: int | None = None  # of the source, then again from its beginning; None: all

    def __post_init__(self) -> None:
        if not 0.05 <= self.seconds <= 36_000:
            raise ConfigError(f"--seconds {self.seconds:g}: expected 0.05 to 36000")
        if not 3 <= self.windows <= 1000:
            raise ConfigError(f"--windows {self.windows}: expected 3 to 1000, fewer say nothing of the spread")
        if not 1 <= self.streams <= MOST_STREAMS:
            raise ConfigError(f"--streams {self.streams}: expected 1 to {MOST_STREAMS}")
        if self.streams > 1 and self.scenario.streams == 1:
            raise ConfigError(
                f"--streams {self.streams}: {self.scenario.name} has one", hint="add --scenario multi-stream"
            )
        if self.fps is not None and not self.scenario.paced:
            raise ConfigError(f"--fps: {self.scenario.name} has no pace of its own", hint="add --scenario live")
        if self.fps is not None and not 0 < self.fps <= 10_000:
            raise ConfigError(f"--fps {self.fps:g}: expected more than 0, at most 10000")
        if not 0 < self.stable_percent <= 100:
            raise ConfigError(f"--stable {self.stable_percent:g}: expected a percentage over 0, at most 100")
        if not 0 <= self.warm_up_s <= 3600:
            raise ConfigError(f"--warm-up {self.warm_up_s:g}: expected 0 to 3600 seconds")
        if self.frames is not None and self.frames < 1:
            raise ConfigError(f"--frames {self.frames}: expected 1 or more")
        if self.output not in OUTPUTS:
            raise ConfigError(f"--output {self.output}: expected {', '.join(OUTPUTS[:-1])} or {OUTPUTS[-1]}")

    @property
    def window_s(self) -> float:
        """Length of a window, seconds."""
        return self.seconds / self.windows

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "scenario"}
        return {"scenario": self.scenario.name, "means": self.scenario.told, **fields}


def scenario_named(name: str) -> Scenario:
    """A line of SCENARIOS; ConfigError where there is none."""
    if name not in SCENARIOS:
        near = difflib.get_close_matches(name, SCENARIOS, 1)
        hint = f"did you mean {near[0]}?" if near else f"scenarios are {', '.join(SCENARIOS)}"
        raise ConfigError(f"there is no scenario `{name}`", hint=hint)
    return SCENARIOS[name]


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the comparison: what runs, as it was asked for."""

    models: tuple[str, ...]  # one, or two that run on the same frames; none: the best embedded one
    backend: str
    long_side: int | None

    def config(self, config: Config, alone_threads: int | None) -> Config:
        """The configuration of this case.

        Args:
            config: what all cases have in common.
            alone_threads: of a single worker, where frames come one at a time and nothing else was said.
        """
        replace = msgspec.structs.replace
        backend = replace(config.backend, name=self.backend)
        if alone_threads is not None and backend.workers is None and backend.threads is None:
            backend = replace(backend, workers=1, threads=alone_threads)
        size = config.input if self.long_side is None else replace(config.input, long_side=self.long_side)
        # The frames are counted anew, so those to leave out are left out where they are read.
        source = replace(config.source, frames=None, every=1, start_s=0.0)
        return replace(config, model=self.models, backend=backend, input=size, source=source)


def cases(models: Sequence[str], backends: Sequence[str], long_sides: Sequence[int]) -> Iterator[Case]:
    """Every combination; `a.onnx+b.onnx` is two networks on the same frames."""
    sides: Sequence[int | None] = long_sides or (None,)
    for model, backend, side in product(models or ("",), backends or ("auto",), sides):
        yield Case(_together(model), backend, side)


def asked(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """What tells each case from the others, for JSON."""
    names = _names([model for case in cases for model in case.models or (BEST,)])
    return [
        {
            "models": [names[model] for model in case.models or (BEST,)],
            "backend": case.backend,
            "long_side": case.long_side,
        }
        for case in cases
    ]


def label(asked: Mapping[str, Any]) -> str:
    """For people: `yolo11n-seg, openvino, 640 px`."""
    size = "" if asked["long_side"] is None else f", {asked['long_side']} px"
    return f"{' + '.join(asked['models'])}, {asked['backend']}{size}"


def _names(models: Sequence[str]) -> dict[str, str]:
    """Of each model its file's name without the ending, and as many of its folders as tell it from the others."""
    parts = {model: (*Path(model).parts[:-1], Path(model).stem) for model in models}
    names = {}
    for model, own in parts.items():
        others = [other for it, other in parts.items() if it != model]
        alone = (n for n in range(1, len(own)) if all(own[-n:] != other[-n:] for other in others))
        names[model] = "/".join(own[-next(alone, len(own)) :])
    return names


def _together(model: str) -> tuple[str, ...]:
    if not model:
        return ()
    return (model,) if Path(model).exists() else tuple(part for part in model.split("+") if part)
