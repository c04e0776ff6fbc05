"""A drawn drive through a street that never ends, with exact labels: a source that needs no file and no camera.

Every frame says what each of its pixels is and which object it belongs to, because the ids are drawn by
the same fills as the colours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from fractions import Fraction

from pipeline.errors import SourceError
from pipeline.image import Image
from pipeline.sources.demo.world import World
from pipeline.types import Frame, SourceInfo

__all__ = ["Demo"]

_LEAST_PX = 32


class Demo:
    """A Source of drawn frames (bgr24) with truth: labels of the 19 driving classes, and instances.

    The same seed, size and rate give the same bytes with the same NumPy and OpenCV. Seeds differ in weather,
    season, place and traffic. Objects with fewer than 12 visible pixels are in the labels only.

    Args:
        seed: which world; 0 or more.
        frames: how many; None: without end.
        size_hw: height and width, pixels; each at least 32.
        fps: frames a second of the drive's own time; they come as fast as they are drawn.

    Raises:
        SourceError: an argument out of range.
    """

    live = False

    def __init__(
        self,
        seed: int = 0,
        frames: int | None = 300,
        size_hw: tuple[int, int] = (720, 1280),
        fps: float = 25.0,
    ) -> None:
        if seed < 0:
            raise SourceError(f"demo: the seed is {seed}", hint="give a whole number from 0 on")
        if frames is not None and frames < 0:
            raise SourceError(f"demo: {frames} frames", hint="give 0 or more, or none for a drive without end")
        if min(size_hw) < _LEAST_PX or max(size_hw) > 16384:
            raise SourceError(
                f"demo: a picture of {size_hw[1]}x{size_hw[0]} pixels", hint=f"give a size from {_LEAST_PX} to 16384"
            )
        if not (math.isfinite(fps) and 0.1 <= fps <= 1000):
            raise SourceError(f"demo: {fps} frames a second", hint="give a rate from 0.1 to 1000")
        self._seed = seed
        self._frames = frames
        self._size_hw = size_hw
        # 29.97 and the like are multiples of 1000 / 1001.
        self._rate = Fraction(fps).limit_denominator(1001)
        self._world: World | None = None

    @property
    def info(self) -> SourceInfo:
        """What the source is; complete from the start."""
        return SourceInfo(
            name=f"demo (seed {self._seed})",
            size_hw=self._size_hw,
            fps=float(self._rate),
            frames=self._frames,
        )

    def __enter__(self) -> Iterator[Frame]:
        """Build the world; the drive begins at its start each time."""
        self._world = World(self._seed, self._size_hw, float(self._rate))
        return self._drive(self._world)

    def __exit__(self, *error: object) -> None:
        """Forget the world."""
        self._world = None

    def _drive(self, world: World) -> Iterator[Frame]:
        index = 0
        while self._world is world and (self._frames is None or index < self._frames):
            bgr, truth = world.frame()
            yield Frame(index, index, 1 / self._rate, time.monotonic(), Image((bgr,), "bgr24"), truth)
            index += 1
