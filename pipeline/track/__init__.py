"""Which object of one frame is which of the next, and what of a frame is only noise."""

from pipeline.track.bytetrack import ByteTrack, TrackOptions
from pipeline.track.keys import Keys
from pipeline.track.over_time import OverTime

__all__ = ["ByteTrack", "Keys", "OverTime", "TrackOptions"]
