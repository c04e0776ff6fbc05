"""Put the stages of a run together: source, preprocess, infer, postprocess, render and a thread for each sink."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from time import monotonic
from typing import Any

from engines.backends.base import Backend, Ticket
from engines.backends.restart import interrupt
from pipeline.config import Config
from pipeline.flow import Flow, Stage
from pipeline.networks import Network
from pipeline.sources import SourceOptions, open_source
from pipeline.timing import timed
from pipeline.track.over_time import OverTime, wanted
from pipeline.types import Frame, Inferred, Instances, Labels, Picture, Prepared, Scene, Sink, Source

Messages = tuple[Any, ...]


def build(
    config: Config,
    source: Source,
    nets: Sequence[Network],
    *,
    dropped: Callable[[], Mapping[str, int]],
    render: Callable[[Scene], Picture] | None = None,
    sinks: Sequence[tuple[str, Callable[[], Sink]]] = (),
) -> Flow[Picture]:
    """The flow from a source through the networks to pictures and sinks.

    Args:
        config: of the run.
        source: not yet open.
        nets: at least one; all see every frame.
        dropped: frames lost so far, by cause; asked once a frame.
        render: draws a scene, in a thread of its own; None: pictures stay empty.
        sinks: name and opener of each; each has a thread and is opened at its first picture.
    """
    backends = [net.selection.backend for net in nets]
    workers = min(backend.workers for backend in backends)
    stages = [
        _stage("preprocess", _each(lambda frame: tuple(net.preprocessor.prepare(frame) for net in nets))),
        Stage(
            "infer",
            _opened(lambda: timed("infer", _Infer(backends), frame_of)),
            workers=workers,
            batch=min(backend.max_batch for backend in backends),
            capacity=config.flow.capacity,
            rescue=lambda: interrupt(backends),
        ),
    ]
    steps: list[tuple[str, Callable[[Any], Any]]] = [("postprocess", lambda message: _scene(message, nets, dropped))]
    if wanted(config.track):
        steps.append(("track", OverTime(config.track, lambda: nets[-1].decoder.conf)))
    if render is None:
        name, last = steps.pop()
        steps.append((name, lambda message: Picture(last(message), None)))
    else:
        steps.append(("render", render))
    stages += [_stage(name, _each(step)) for name, step in steps]
    stages += [Stage(name, _sink(name, opener), capacity=config.flow.capacity) for name, opener in sinks]
    return Flow(
        lambda: _capture(source, config),
        stages,
        live=source.live,
        in_flight=workers + 1,
        leases=leases,
        stall_s=config.flow.stall_s or None,
        capacity=config.flow.capacity,
    )


def open_configured(spec: str, config: Config) -> Source:
    """The source that a string names, with the options of a configuration; nothing is opened yet."""
    chosen = config.source
    return open_source(
        spec,
        SourceOptions(
            start_s=chosen.start_s,
            fps=chosen.fps,
            open_timeout_s=chosen.open_timeout_s,
            read_timeout_s=chosen.read_timeout_s,
        ),
    )


class _Infer:
    """The step that keeps every slot of the backends busy; frames come out in the order they went in."""

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = backends
        self._slots = min(backend.slots for backend in backends)
        self._waiting: deque[list[Ticket]] = deque()

    def __call__(self, batch: list[Messages]) -> Iterator[Messages]:
        columns = zip(*batch, strict=True)  # one column of Prepared per network
        self._waiting.append(
            [backend.submit(list(column)) for backend, column in zip(self._backends, columns, strict=True)]
        )
        while len(self._waiting) >= self._slots:
            yield from self._oldest()

    def drain(self) -> Iterator[Messages]:
        while self._waiting:
            yield from self._oldest()

    def _oldest(self) -> Iterator[Messages]:
        done = [ticket.result() for ticket in self._waiting.popleft()]
        for lease in leases(tuple(inferred for column in done for inferred in column)):
            lease.release()  # the tensors end here; the warm buffers are needed for the next frames
        yield from zip(*done, strict=True)


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


def leases(message: Any) -> Iterable[Any]:
    """The pooled buffers that a message holds."""
    if isinstance(message, Picture):
        return () if message.lease is None else (message.lease,)
    if isinstance(message, tuple):
        parts = (part.prepared if isinstance(part, Inferred) else part for part in message)
        return [part.lease for part in parts if isinstance(part, Prepared) and part.lease is not None]
    return ()


@contextmanager
def _capture(source: Source, config: Config) -> Iterator[Iterable[Frame]]:
    with source as frames:
        yield _chosen(_timed(frames), config)


def _timed(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The frames with the time that the source took for each, stamped as `capture`."""
    began = monotonic()
    for frame in frames:
        frame.stamps.spans["capture"] = (began, monotonic())
        yield frame
        began = monotonic()


def _chosen(frames: Iterable[Frame], config: Config) -> Iterator[Frame]:
    """Every k-th frame, and no more than asked for."""
    left = config.source.frames
    for frame in frames:
        if frame.index % config.source.every:
            continue
        yield frame
        if left is not None:
            left -= 1
            if left == 0:
                return


def _scene(message: Messages, nets: Sequence[Network], dropped: Callable[[], Mapping[str, int]]) -> Scene:
    instances: Instances | None = None
    labels: Labels | None = None
    for inferred, net in zip(message, nets, strict=True):
        found = net.decoder.decode(inferred)
        if isinstance(found, Instances):
            instances = found
        else:
            labels = found
    prepared = message[0].prepared
    return Scene(prepared.frame, instances, labels, dropped(), prepared.rung)


Opener = Callable[[], AbstractContextManager[Any]]


def _opened(make: Callable[[], Any]) -> Opener:
    @contextmanager
    def opened() -> Iterator[Any]:
        yield make()

    return opened


def _each(function: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return lambda batch: [function(item) for item in batch]


def _stage(name: str, step: Callable[[list[Any]], list[Any]]) -> Stage:
    return Stage(name, _opened(lambda: timed(name, step, frame_of)))


def _sink(name: str, opener: Callable[[], Sink]) -> Opener:
    @contextmanager
    def opened() -> Iterator[Any]:
        sink: Sink | None = None

        def write(batch: list[Picture]) -> list[Picture]:
            nonlocal sink
            for picture in batch:
                if sink is None:
                    sink = opener()
                sink.write(picture)
            return batch

        whole = False
        try:
            yield timed(name, write, frame_of)
            whole = True
        finally:
            if sink is not None:
                sink.close(whole)

    return opened
