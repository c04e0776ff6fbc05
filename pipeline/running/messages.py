"""What the messages between the stages of a run have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.types import Frame, Inferred, Picture, Prepared

Messages = tuple[Any, ...]  # one for each network, of the same frame


def frame_of(message: Any) -> Frame:
    """The frame that a message is about."""
    if isinstance(message, tuple):
        message = message[0]
    if isinstance(message, Inferred):
        message = message.prepared
    if isinstance(message, Picture):
        message = message.scene
    frame = message if isinstance(message, Frame) else message.frame
    assert isinstance(frame, Frame)
    return frame


def looked_at(frame: Frame) -> bool:
    """Whether the networks look at it; what is in the others is carried along the flow."""
    return frame.carried == 0


def leases(message: Any) -> Iterable[Any]:
    """The pooled buffers that a message holds."""
    if isinstance(message, Picture):
        return () if message.lease is None else (message.lease,)
    if isinstance(message, tuple):
        parts = (part.prepared if isinstance(part, Inferred) else part for part in message)
        return [part.lease for part in parts if isinstance(part, Prepared) and part.lease is not None]
    return ()
