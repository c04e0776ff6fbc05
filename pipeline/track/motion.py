"""How a picture moved since the one before, for everything that is carried along."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.optical_flow import DisFlow, Flow, Grey, grey, places, shrunk
from pipeline.types import Frame

_ALIKE = 24  # levels of brightness that a pixel may differ from the one it came from
_ALIKE_SPREAD = 0.5  # of a picture's standard deviation, too, where a cut is looked for: in the dark all is alike
_NOISE = 3  # levels that are nothing new
_NO_MAP = None


class FlowMotion:
    """From one frame to the next; implements types.Motion.

    Args:
        flow: where each pixel of the small picture was in the one before, (h, w, 2), pixels relative to it.
        alike: (h, w) uint8, 255 where the small picture looks as what the flow brings; 0: something new.
        size_hw: of the frame, pixels.
        share_followed: the part of the picture that is the one before, moved, 0..1: near 1 in a film, under 0.7
            behind a cut.
    """

    def __init__(
        self, flow: Flow, alike: NDArray[np.uint8], size_hw: tuple[int, int], share_followed: float = 1.0
    ) -> None:
        self._flow, self._alike, self._size_hw = flow, alike, size_hw
        self.share_followed = share_followed

    def after(self, earlier: FlowMotion) -> FlowMotion:
        """See types.Motion."""
        places_xy = places(self._flow, self._flow.shape)
        before = cv2.remap(earlier._flow, places_xy, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
        return FlowMotion(
            np.asarray(cv2.add(self._flow, before), np.float32), self._alike, self._size_hw, self.share_followed
        )

    def back(self, size_hw: tuple[int, int]) -> Flow:
        """Where each pixel of the frame, at that size, was in the one before, (h, w, 2): x and y, its pixels."""
        return places(self._flow, size_hw)

    @cached_property
    def followed(self) -> NDArray[np.uint8]:
        """(h, w), 255 where a pixel can be followed, else 0."""
        height, width = self._size_hw
        if self._alike.shape == (height, width):
            return self._alike
        return np.asarray(cv2.resize(self._alike, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


class Follower:
    """Computes the motion between frames that follow on one another; not for several threads.

    One flow, backwards. What is newly seen is known by its looks: where the picture before, brought along, differs
    from this one. That costs half of a flow there and back, which the measures in pipeline.metrics.temporal take.

    Args:
        long_side_px: of the pictures that the flow is computed on.
    """

    def __init__(self, long_side_px: int) -> None:
        self._long_side_px = long_side_px
        self._flow = DisFlow()
        self._last: tuple[Grey, tuple[int, int]] | None = None

    def see(self, frame: Frame) -> None:
        """The next motion is from this frame; none is computed to it."""
        small = shrunk(grey(frame.image), self._long_side_px).copy()  # kept longer than the frame's planes
        self._last = small, frame.image.size_hw

    def __call__(self, frame: Frame) -> FlowMotion | None:
        """The motion from the frame before; None for the first one, and where the size changed."""
        last = self._last
        self.see(frame)
        assert self._last is not None
        small, size_hw = self._last
        if last is None or last[1] != size_hw:
            return None
        back = self._flow(small, last[0])
        brought = cv2.remap(last[0], places(back, small.shape), _NO_MAP, cv2.INTER_LINEAR)  # type: ignore[call-overload]
        difference = cv2.blur(cv2.absdiff(small, brought), (3, 3))
        _, alike = cv2.threshold(difference, _ALIKE, 255, cv2.THRESH_BINARY_INV)
        level = min(_ALIKE, max(_NOISE, _ALIKE_SPREAD * float(cv2.meanStdDev(small)[1][0, 0])))
        share = np.count_nonzero(difference <= level) / difference.size
        return FlowMotion(back, np.asarray(alike, np.uint8), size_hw, share)
