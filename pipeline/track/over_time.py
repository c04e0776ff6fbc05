"""What a run keeps of the frames before: a memory for each of its sources, and for each film of a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pipeline.config import TrackConfig
from pipeline.track.carrying import Carrying
from pipeline.track.films import Films
from pipeline.track.objects import Numbering
from pipeline.track.steady import Steadying
from pipeline.types import Scene


class Step(Protocol):
    """One thing that is done to scenes."""

    def __call__(self, scene: Scene) -> Scene:
        """The next scene of a film, with what is known from those before."""
        ...

    def forget(self) -> None:
        """What comes next does not follow on what came before."""
        ...


@dataclass(slots=True)
class _Memory:
    steps: Sequence[Step]
    gaps: int = 0  # before the last frame


class OverTime:
    """Carries, numbers and steadies what is shown, as configured; scenes of each film come in their order.

    Behind a gap, in which a live source was away, all of it begins anew: who is there now is somebody else.
    Numbers count on.

    Args:
        config: the track section.
        conf: the least score now of an object that is shown without a number, 0..1.
    """

    def __init__(self, config: TrackConfig, conf: Callable[[], float]) -> None:
        self._config, self._conf = config, conf
        self._films = Films(self._memory)

    def __call__(self, scene: Scene) -> Scene:
        """The scene with what is known from the frames before."""
        memory = self._films.of(scene.frame)
        if memory.gaps != scene.frame.gaps:
            memory.gaps = scene.frame.gaps
            for step in memory.steps:
                step.forget()
        for step in memory.steps:
            scene = step(scene)
        return scene if scene.frame.motion is None else replace(scene, frame=replace(scene.frame, motion=None))

    def _memory(self) -> _Memory:
        steps: list[Step] = []
        if self._config.carry:
            steps.append(Carrying())
        if self._config.objects:
            steps.append(Numbering(self._config, self._conf))
        if self._config.smooth or self._config.smooth_masks:
            steps.append(Steadying(self._config))
        return _Memory(steps)


def wanted(config: TrackConfig) -> bool:
    """Whether anything is kept from frame to frame."""
    return config.carry > 0 or config.objects or config.smooth or config.smooth_masks
