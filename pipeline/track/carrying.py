"""What the networks found in one frame, shown in the frames behind it that they did not look at."""

from __future__ import annotations

from dataclasses import replace

from pipeline.track.moved import moved_labels, moved_objects
from pipeline.types import Instances, Labels, Scene


class Carrying:
    """Moves what was found in a film along its flow, from each frame to the next; scenes come in their order."""

    def __init__(self) -> None:
        self._last: tuple[Instances | None, Labels | None, str] = None, None, ""

    def __call__(self, scene: Scene) -> Scene:
        """The scene as it is where networks looked; else with what was found before, moved to where it is now."""
        motion, size_hw = scene.frame.motion, scene.frame.image.size_hw
        if scene.frame.carried and motion is not None:
            found, labels, rung = self._last
            scene = replace(
                scene,
                instances=None if found is None else moved_objects(found, motion, size_hw),
                labels=None if labels is None else moved_labels(labels, motion),
                rung=rung,
            )
        self._last = scene.instances, scene.labels, scene.rung
        return scene
