"""Which frames the networks look at, where what they found is carried along the flow in between."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.config import TrackConfig
from pipeline.track.films import Films
from pipeline.track.motion import Follower
from pipeline.types import Frame

LEAST_FOLLOWED = 0.7  # of a picture; 0.9 to 1 in driving films, 0.8 in bends of drawn ones, 0.03 to 0.65 behind cuts


class Keys:
    """Says of each frame whether the networks look at it, and how it moved. Not for several threads.

    They look at the first frame of a film, at the one behind `carry` frames that were carried, and wherever a picture
    cannot be followed from the one before: at a cut, where the size changes, and when a lost source is back.

    Args:
        config: the track section.
    """

    def __init__(self, config: TrackConfig) -> None:
        self._config = config
        self._films = Films(lambda: _Film(Follower(config.flow_px), config.carry))

    def __call__(self, frame: Frame) -> Frame:
        """The frame with `carried`, and with its motion where somebody needs it; frames of a film in their order."""
        config, film = self._config, self._films.of(frame)
        motion = None
        if frame.gaps == film.gaps and (film.carried < config.carry or config.smooth or config.smooth_masks):
            motion = film.follower(frame)
        else:
            film.follower.see(frame)
        film.gaps = frame.gaps
        followed = motion is not None and motion.share_followed >= LEAST_FOLLOWED
        film.carried = film.carried + 1 if followed and film.carried < config.carry else 0
        return replace(frame, carried=film.carried, motion=motion)


@dataclass(slots=True)
class _Film:
    follower: Follower
    carried: int  # frames since a look; `carry` before the first one
    gaps: int = 0  # before its last frame
