"""What each source of a run has for itself on a way that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from pipeline.flow import Step
from pipeline.running.messages import frame_of
from pipeline.timing import timed
from pipeline.types import Picture, Scene, Sink, Source

Opener = Callable[[], AbstractContextManager[Step]]


@dataclass(frozen=True, slots=True)
class Lane:
    """A source with what draws and takes its pictures."""

    source: Source
    render: Callable[[Scene], Picture] | None = None  # all lanes of a run have one, or none has
    sinks: Sequence[tuple[str, Callable[[], Sink]]] = ()  # name and opener; the same names in all lanes of a run
    failed: Callable[[], bool] = lambda: False  # whether the source was lost for good: its outputs are not whole then


def by_source(functions: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """One function for all messages, from one for each source's own."""
    if len(functions) == 1:
        return functions[0]
    return lambda message: functions[frame_of(message).source](message)


def sink_stages(lanes: Sequence[Lane]) -> Iterator[tuple[str, Opener]]:
    """Name and opener of the stages that write: one thread for each kind of output, however many sources."""
    for number, (name, _) in enumerate(lanes[0].sinks):
        yield name, _sinks(name, [(lane.sinks[number][1], lane.failed) for lane in lanes])


def _sinks(name: str, lanes: Sequence[tuple[Callable[[], Sink], Callable[[], bool]]]) -> Opener:
    @contextmanager
    def opened() -> Iterator[Step]:
        sinks: dict[int, Sink] = {}

        def write(batch: list[Picture]) -> list[Picture]:
            for picture in batch:
                source = picture.scene.frame.source
                sink = sinks.get(source)
                if sink is None:
                    sink = sinks[source] = lanes[source][0]()
                sink.write(picture)
            return batch

        whole = False

        def close(source: int, sink: Sink) -> None:
            sink.close(whole and not lanes[source][1]())

        with ExitStack() as closing:  # each is closed, whatever closing another one raises
            closing.callback(lambda: [closing.callback(close, *item) for item in sinks.items()])
            yield timed(name, write, frame_of)
            whole = True

    return opened
