"""Numbers on the objects of scenes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from pipeline.config import TrackConfig
from pipeline.track.bytetrack import ByteTrack, TrackOptions
from pipeline.types import Scene


class Numbering:
    """Gives the objects of one source their numbers over time; scenes come in their order.

    Objects under the least score are kept only where they carry a number: that is what ByteTrack finds in them.

    Args:
        config: the track section.
        conf: the least score now of an object that is shown without a number and may begin one, 0..1.
    """

    def __init__(self, config: TrackConfig, conf: Callable[[], float]) -> None:
        self._config, self._conf = config, conf
        self._tracks = ByteTrack()

    def __call__(self, scene: Scene) -> Scene:
        """The scene with track_ids in its objects; the same scene where no network looks for any."""
        found = scene.instances
        if found is None:
            return scene
        conf = self._conf()
        self._tracks.options = _options(self._config, conf)
        frame = scene.frame
        numbers = self._tracks.update(
            frame.index, found.boxes_xyxy, found.scores, found.class_ids, looked=frame.carried == 0
        )
        found = replace(found, track_ids=numbers)
        shown = np.flatnonzero((numbers > 0) | (found.scores >= conf))
        return replace(scene, instances=found if len(shown) == len(found) else found.take(shown))

    def forget(self) -> None:
        """See over_time.Step."""
        self._tracks.forget()


@lru_cache(maxsize=8)
def _options(config: TrackConfig, conf: float) -> TrackOptions:
    return TrackOptions(
        high=conf,
        low=min(config.low, conf),
        begin=conf,
        keep_frames=config.keep_frames,
        least_match=config.least_match,
    )
