"""What the networks found in one frame, shown in the frames behind it that they did not look at."""

from __future__ import annotations

from dataclasses import replace

from pipeline.track.moved import MovedObjects, moved_labels
from pipeline.types import Labels, Scene
from pipeline.types.messages import Motion


class Carrying:
    """Moves what was found in a film along its flow; scenes come in their order.

    Each frame shows what the networks saw, moved once, as far as the picture went since. Moved from frame to frame it
    would be rounded to pixels each time, and what is slow would stay behind.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """See over_time.Step."""
        self._objects: MovedObjects | None = None
        self._labels: Labels | None = None  # as the networks saw them
        self._since: Motion | None = None  # from the frame that they saw; None: it is the last one
        self._rung = ""

    def __call__(self, scene: Scene) -> Scene:
        """The scene as it is where networks looked; else with what was found before, moved to where it is now."""
        motion, found, size_hw = scene.frame.motion, scene.instances, scene.frame.image.size_hw
        if not scene.frame.carried or motion is None:
            self._objects = None if found is None else MovedObjects(found, size_hw)
            self._labels, self._since, self._rung = scene.labels, None, scene.rung
            return scene
        self._since = motion if self._since is None else motion.after(self._since)
        return replace(
            scene,
            instances=None if self._objects is None else self._objects(motion),
            labels=None if self._labels is None else moved_labels(self._labels, self._since),
            rung=self._rung,
        )
