"""What is remembered of each film, where frames of several come in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from pipeline.types import Frame

KEPT = 16  # films of a source: a data set has thousands, one behind the other or a few at a time

T = TypeVar("T")


class Films(Generic[T]):
    """A memory for each source, and of a data set for each of its films: the folder in a frame's name.

    Of each source the films that frames came from last are kept; one that comes again later begins anew.

    Args:
        begin: a memory of nothing.
    """

    def __init__(self, begin: Callable[[], T]) -> None:
        self._begin = begin
        self._sources: dict[int, dict[str, T]] = {}  # the film of the last frame is the last one

    def of(self, frame: Frame) -> T:
        """The memory of the film that a frame is from."""
        films = self._sources.setdefault(frame.source, {})
        name = frame.truth.name.rpartition("/")[0] if frame.truth is not None else ""
        memory = films.pop(name) if name in films else self._begin()
        films[name] = memory
        if len(films) > KEPT:
            del films[next(iter(films))]
        return memory
