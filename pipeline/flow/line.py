"""The channels from the sources to the caller, and who works between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.flow.channel import Channel
from pipeline.flow.junction import Junction, Place
from pipeline.flow.outlet import Outlet
from pipeline.flow.stage import Stage, Worker


class Line:
    """What a flow is made of, apart from its threads.

    Args:
        newest: for each source, whether it never waits and keeps its newest message only.
        stages: in the order of the way.
        capacity: most messages of a source that wait, where it may wait.
        in_flight: most messages under way behind the sources; None: any number.
        discard: takes a message that is lost, and the cause.
        step_failed: see Worker.
    """

    def __init__(
        self,
        newest: Sequence[bool],
        stages: Sequence[Stage],
        capacity: int,
        in_flight: int | None,
        discard: Callable[[Any, str], None],
        step_failed: Callable[[BaseException, str, Sequence[Any], Sequence[Any]], None],
    ) -> None:
        self.places: Sequence[Channel | Place]  # where each source puts what it gives
        if len(newest) == 1:
            alone = Channel(1 if newest[0] else capacity, discard, newest=newest[0], credits=in_flight)
            self.first: Channel | Junction = alone
            self.places = [alone]
        else:
            self.first = Junction(newest, capacity, discard, in_flight)
            self.places = self.first.places
        self.last = self.first  # where the caller takes
        self.workers: list[Worker] = []
        self._stoppable: list[Channel | Junction | Outlet] = [self.first]
        for stage in stages:
            inbox, channel = self.last, Channel(stage.capacity, discard)
            outlet = Outlet(channel, stage.workers)
            self.last = channel
            self._stoppable += [channel, outlet]
            for number in range(stage.workers):
                name = stage.name if stage.workers == 1 else f"{stage.name}-{number}"
                self.workers.append(Worker(name, stage, inbox, outlet, self.first.give_back, step_failed))

    def cancel(self) -> list[Any]:
        """Everyone who waits wakes now. Returns what was left."""
        return [item for stoppable in self._stoppable for item in stoppable.cancel()]
