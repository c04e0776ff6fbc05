"""Put the stages of a run together. With `workbench`, the only module that knows both pipeline and engines."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from engines.backends.base import Backend, Ticket
from engines.card import find_card
from engines.select import Selection, select
from pipeline.config import Config, InputConfig
from pipeline.config_file import config_dirs
from pipeline.errors import ConfigError, ModelError
from pipeline.flow import Flow, Pool, Stage
from pipeline.postprocess import Decoder, decoder
from pipeline.preprocess import Preprocessor
from pipeline.sources import SourceOptions, open_source
from pipeline.timing import timed
from pipeline.types import Card, Frame, Inferred, Instances, Labels, Picture, Prepared, Scene, Sink, Source

Messages = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """One network of a run, with what stands before and behind it."""

    card: Card
    selection: Selection
    preprocessor: Preprocessor
    decoder: Decoder


def networks(config: Config) -> tuple[Network, ...]:
    """Read the cards, choose the backends and load the models.

    Raises:
        ModelError, BackendError, ConfigError: a model that is missing, broken or that nothing here can run.
    """
    if not config.model:
        raise ConfigError("no model was given", hint="add --model MODEL.onnx (a YOLO-seg or a semantic network)")
    cards = [find_card(name, card_dirs=[d / "cards" for d in config_dirs()]) for name in config.model]
    families = [card.family for card in cards]
    if len(set(families)) < len(families):
        raise ModelError(
            f"{len(cards)} models of the same family ({', '.join(families)}) cannot share one picture",
            hint="give one semantic and one instance network, or run them apart",
        )
    cards = [replace(card, input=_input(card, config.input)) for card in cards]
    made = []
    for card in cards:
        decode = decoder(card, config.decode)
        selection = select(
            card,
            backend=config.backend.name,
            require=config.backend.require,
            workers=config.backend.workers,
            threads=config.backend.threads,
            precision=config.backend.precision,
        )
        made.append(Network(card, selection, Preprocessor(card.input, Pool), decode))
    return tuple(made)


def _input(card: Card, wanted: InputConfig) -> Any:
    if wanted.long_side is None and not wanted.square:
        return card.input
    spec, long_side = card.input, wanted.long_side or card.input.long_side
    if None not in spec.size_hw:
        if wanted.long_side is not None and max(n for n in spec.size_hw if n) != long_side:
            height, width = spec.size_hw
            raise ConfigError(
                f"{card.path.name} takes {width}x{height} only, {long_side} was asked for",
                hint="leave --imgsz out, or export the model with free sizes",
            )
        return spec
    if long_side % spec.stride:
        near = max(1, round(long_side / spec.stride)) * spec.stride
        raise ConfigError(
            f"{card.path.name} takes multiples of {spec.stride}, {long_side} was asked for", hint=f"try {near}"
        )
    return replace(spec, long_side=long_side, size_hw=(long_side, long_side) if wanted.square else spec.size_hw)


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
        yield from zip(*(ticket.result() for ticket in self._waiting.popleft()), strict=True)


def build(
    config: Config,
    source: Source,
    nets: Sequence[Network],
    *,
    dropped: Callable[[], dict[str, int]],
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
        ),
        _stage("postprocess", _each(lambda message: _scene(message, nets, dropped))),
    ]
    if render is not None:
        stages.append(_stage("render", _each(render)))
    else:
        stages.append(_stage("render", _each(lambda scene: Picture(scene, None))))
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
        yield _chosen(timed_source(frames), config)


def timed_source(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The frames with the time that the source took for each, stamped as `capture`."""
    from time import monotonic

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


def _scene(message: Messages, nets: Sequence[Network], dropped: Callable[[], dict[str, int]]) -> Scene:
    instances: Instances | None = None
    labels: Labels | None = None
    for inferred, net in zip(message, nets, strict=True):
        found = net.decoder.decode(inferred)
        if isinstance(found, Instances):
            instances = found
        else:
            labels = found
        if inferred.prepared.lease is not None:
            inferred.prepared.lease.release()  # the tensor ends here; its buffer is needed for the next frame
    return Scene(message[0].prepared.frame, instances, labels, dropped())


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
