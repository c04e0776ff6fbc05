"""Tasks go to whoever is free, and results come back: the same whether workers are processes or actors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.replay.dispatch import Dispatch
from pipeline.replay.tasks import Failed, Result, Task

LOOK_S = 0.5  # how often it is asked whether to stop, while nothing comes


class Member(Protocol):
    """A worker, seen from outside."""

    name: str
    task: Task | None  # that it is at

    @property
    def ready(self) -> bool:
        """Whether it has loaded its networks."""
        ...

    def give(self, task: Task) -> None:
        """Hand over a task; one that is gone is noticed when its answer is read."""
        ...


def work_off(
    dispatch: Dispatch,
    crew: Sequence[Member],
    stopping: Callable[[], bool],
    *,
    fill: Callable[[], None],
    hear: Callable[[], None],
) -> None:
    """Hand tasks to whoever is free, until nothing is left, or until `stopping`.

    Args:
        dispatch: has the tasks.
        crew: as `fill` and `hear` change it.
        stopping: asked after each `hear`.
        fill: starts as many workers as there shall be; not called before there is work for them.
        hear: waits up to LOOK_S for answers and takes them.
    """
    task = dispatch.next()
    while not stopping():
        for member in crew:
            if task is not None and member.ready and member.task is None:
                member.give(task)
                task = dispatch.next()
        if task is not None:
            fill()
        elif not any(member.task for member in crew):
            return
        hear()
        task = dispatch.next() if task is None else task


def took(dispatch: Dispatch, member: Member, result: Result) -> bool:
    """A worker's answer to its task; whether it goes on: else it is to be replaced."""
    task, member.task = member.task, None
    assert task is not None
    dispatch.took(task, result, member.name)
    return not (isinstance(result, Failed) and result.replace)
