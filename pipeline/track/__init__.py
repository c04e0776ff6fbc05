"""Which object of one frame is which of the next."""

from pipeline.track.bytetrack import ByteTrack, TrackOptions

__all__ = ["ByteTrack", "TrackOptions"]
