"""What a run keeps of the frames before: a memory for each of its sources, and for each film of a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pipeline.config import TrackConfig
from pipeline.track.carrying import Carrying
from pipeline.track.films import Films
from pipeline.track.objects import Numbering
from pipeline.track.steady import Steadying
from pipeline.types import Scene


class OverTime:
    """Carries, numbers and steadies what is shown, as configured; scenes of each film come in their order.

    Args:
        config: the track section.
        conf: the least score now of an object that is shown without a number, 0..1.
    """

    def __init__(self, config: TrackConfig, conf: Callable[[], float]) -> None:
        self._config, self._conf = config, conf
        self._films = Films(self._memory)

    def __call__(self, scene: Scene) -> Scene:
        """The scene with what is known from the frames before."""
        for step in self._films.of(scene.frame):
            scene = step(scene)
        return scene if scene.frame.motion is None else replace(scene, frame=replace(scene.frame, motion=None))

    def _memory(self) -> list[Callable[[Scene], Scene]]:
        steps: list[Callable[[Scene], Scene]] = []
        if self._config.carry:
            steps.append(Carrying())
        if self._config.objects:
            steps.append(Numbering(self._config, self._conf))
        if self._config.smooth or self._config.smooth_masks:
            steps.append(Steadying(self._config))
        return steps


def wanted(config: TrackConfig) -> bool:
    """Whether anything is kept from frame to frame."""
    return config.carry > 0 or config.objects or config.smooth or config.smooth_masks
