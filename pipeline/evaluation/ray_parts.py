"""Parts of a data set, scored by Ray actors that come and go, in order.

A part is given to an actor that has come up, never to one that waits for room: that may be for ever, where a node is
gone. Ray itself tries nothing again; a part whose actor dies goes to another one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.errors import BackendError, UserError

_AHEAD = 4  # parts for each worker that may wait for an earlier one to be added up
_TRIES = 3  # of a part, and of an actor's start in a row beside one for each worker
_LOOK_S = 0.5  # how often it is asked for how many there is room, while nothing comes


class Parts:
    """Hands out parts by number and keeps what came too early.

    Args:
        ray: the module, connected.
        new: begins another actor; it has `start()` and `score(number)`, which give what they found or a UserError.
        wanted: how many actors there should be now; at least 1.
    """

    def __init__(self, ray: Any, new: Callable[[], Any], wanted: Callable[[], int]) -> None:
        self._ray, self._new, self._wanted = ray, new, wanted
        self._starting: dict[Any, Any] = {}  # answer -> actor
        self._running: dict[Any, tuple[Any, int]] = {}  # answer -> actor, number
        self._idle: list[Any] = []
        self._again: deque[int] = deque()
        self._tries: dict[int, int] = {}
        self._died = 0  # in a row, before they were ready

    def in_order(self, count: int) -> Iterator[Any]:
        """What was found of the parts 0, 1, 2 ... before `count`.

        Raises:
            BackendError: actors die of a part, or before they are ready, again and again.
            UserError: what an actor says.
        """
        waiting: dict[int, Any] = {}
        given = added = 0
        try:
            while added < count:
                wanted = self._wanted()
                while len(self._starting) + len(self._running) + len(self._idle) < wanted:
                    actor = self._new()
                    self._starting[actor.start.remote()] = actor
                while self._idle and (self._again or given < min(count, added + _AHEAD * wanted)):
                    number = self._again.popleft() if self._again else given
                    given += number == given
                    actor = self._idle.pop()
                    self._running[actor.score.remote(number)] = actor, number
                for answer in self._ray.wait([*self._starting, *self._running], num_returns=1, timeout=_LOOK_S)[0]:
                    waiting |= self._hear(answer, wanted)
                while added in waiting:
                    yield waiting.pop(added)
                    added += 1
        finally:
            for actor in [*self._starting.values(), *(actor for actor, _ in self._running.values()), *self._idle]:
                self._ray.kill(actor)

    def _hear(self, answer: Any, wanted: int) -> dict[int, Any]:
        """The part that an actor has done, by its number, if it did one."""
        starting = self._starting.pop(answer, None)
        actor, number = (starting, None) if starting is not None else self._running.pop(answer)
        try:
            said = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            self._ray.kill(actor)
            self._lost(number, type(error).__name__, wanted)
            return {}
        if isinstance(said, UserError):
            raise said
        self._idle.append(actor)
        if number is None:
            self._died = 0
            return {}
        return {number: said}

    def _lost(self, number: int | None, how: str, wanted: int) -> None:
        if number is None:
            self._died += 1
            if self._died >= _TRIES + wanted:
                raise BackendError(f"workers die while they load the networks ({how})", hint="look into Ray's logs")
            return
        tries = self._tries[number] = self._tries.get(number, 0) + 1
        if tries >= _TRIES:
            raise BackendError(
                f"part {number + 1} of the images killed {tries} workers ({how})",
                hint="is there memory for so many workers?",
            )
        self._again.append(number)
