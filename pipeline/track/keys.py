"""Which frames the networks look at, where what they found is carried along the flow in between."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from pipeline.config import TrackConfig
from pipeline.track.motion import Follower
from pipeline.track.over_time import film_of
from pipeline.types import Frame

LEAST_FOLLOWED = 0.7  # of a picture; 0.95 to 1 in driving films, 0.8 in bends of drawn ones, under 0.1 behind a cut


class Keys:
    """Says of each frame whether the networks look at it, and how it moved. Not for several threads.

    They look at the first frame of a film, at the one behind `carry` frames that were carried, and wherever a picture
    cannot be followed from the one before: at a cut, and where the size changes.

    Args:
        config: the track section.
    """

    def __init__(self, config: TrackConfig) -> None:
        self._config = config
        self._films: dict[Hashable, tuple[Follower, int]] = {}  # and how many were carried since a look

    def __call__(self, frame: Frame) -> Frame:
        """The frame with `carried`, and with its motion where somebody needs it; frames of a film in their order."""
        config, film = self._config, film_of(frame)
        follower, carried = self._films.get(film) or (Follower(config.flow_px), config.carry)
        motion = None
        if carried < config.carry or config.smooth or config.smooth_masks:
            motion = follower(frame)
        else:
            follower.see(frame)
        followed = motion is not None and motion.share_followed >= LEAST_FOLLOWED
        carried = carried + 1 if followed and carried < config.carry else 0
        self._films[film] = follower, carried
        return replace(frame, carried=carried, motion=motion)
