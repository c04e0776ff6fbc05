"""Score each frame against the result of another one, while the results of all frames pass by in order."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.datasets.objects import no_objects
from pipeline.errors import DataError
from pipeline.metrics.streaming import Pairing
from pipeline.types import VOID, Instances, Labels, Scene

_LEVEL = 1  # of zlib: a label map shrinks to a thirtieth


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which time may have passed, and what counts it."""

    pairing: Pairing
    score: Callable[[Scene], object]  # takes a frame with its truth, and the result that it is scored against


class Following:
    """Keeps the results that frames still to come are scored against, packed; forgets them behind the last.

    A frame without a result is scored against nothing: no objects, and labels that are VOID everywhere.

    Args:
        ways: over the same film.
    """

    def __init__(self, ways: Sequence[Way]) -> None:
        self._ways = ways
        self._used = frozenset().union(*(way.pairing.used for way in ways))
        self._kept: dict[int, _Packed] = {}
        self._last: tuple[int, Instances | None, Labels | None] = (-1, None, None)

    @property
    def kept(self) -> int:
        """How many results are kept now."""
        return len(self._kept)

    def add(self, scene: Scene) -> None:
        """Take the next frame with its truth and its own result; frames that were not shown are passed over.

        Raises:
            DataError: the result that it should be scored against has not come by.
        """
        index = scene.frame.index
        if index in self._used:
            self._kept[index] = _pack(scene)
        oldest = index  # that any frame from here on may be scored against: never an older one than this frame
        for way in self._ways:
            if index not in way.pairing.against:
                continue
            other = way.pairing.against[index]
            if other is None:
                way.score(nothing(scene))
                oldest = -1
                continue
            oldest = min(oldest, other)
            instances, labels = self._result(other, index)
            way.score(replace(scene, instances=instances, labels=labels))
        for frame in [frame for frame in self._kept if frame < oldest]:
            del self._kept[frame]

    def _result(self, frame: int, asking: int) -> tuple[Instances | None, Labels | None]:
        if self._last[0] != frame:
            if frame not in self._kept:
                raise DataError(
                    f"frame {asking} should be scored against the result of frame {frame}, which did not come again",
                    hint="the images must be the same in each pass",
                )
            self._last = (frame, *self._kept[frame].unpacked())
        return self._last[1:]


def nothing(scene: Scene) -> Scene:
    """The scene as it is before there is any result."""
    labels = scene.labels and Labels(np.full_like(scene.labels.map, VOID), scene.labels.classes)
    return replace(scene, instances=scene.instances and no_objects(scene.instances.classes), labels=labels)


@dataclass(frozen=True, slots=True)
class _Packed:
    instances: Instances | None
    arena: bytes
    labels: Labels | None  # an empty map
    map: bytes
    shape: tuple[int, ...]

    def unpacked(self) -> tuple[Instances | None, Labels | None]:
        instances, labels = self.instances, self.labels
        if instances is not None:
            instances = replace(instances, arena=np.frombuffer(zlib.decompress(self.arena), np.uint8))
        if labels is not None:
            flat = np.frombuffer(zlib.decompress(self.map), np.uint8)
            labels = replace(labels, map=flat.reshape(self.shape))
        return instances, labels


def _pack(scene: Scene) -> _Packed:
    instances, labels, arena, flat, shape = scene.instances, scene.labels, b"", b"", (0, 0)
    if instances is not None:
        arena = zlib.compress(instances.arena.tobytes(), _LEVEL)
        instances = replace(instances, arena=np.zeros(0, np.uint8))
    if labels is not None:
        flat, shape = zlib.compress(labels.map.tobytes(), _LEVEL), labels.map.shape
        labels = replace(labels, map=np.zeros((0, 0), np.uint8))
    return _Packed(instances, arena, labels, flat, shape)
