"""The stages of a run with a meter at their head: as many lines of them as there are streams."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from engines.select import Selection
from pipeline.bench.clock import RealClock
from pipeline.bench.footage import Footage
from pipeline.bench.meter import Meter, Order
from pipeline.bench.options import BenchOptions
from pipeline.bench.shared import SharedBackend
from pipeline.bench.stream import Seen, Stream
from pipeline.config import Config
from pipeline.evaluation.truth_score import TruthScore
from pipeline.flow import Flow, Pool
from pipeline.networks import Network
from pipeline.preprocess import Preprocessor
from pipeline.running.assemble import build
from pipeline.running.outputs import sinks
from pipeline.running.status_line import StatusLine
from pipeline.trace import Trace
from pipeline.types import Picture, Scene


class Lines:
    """All streams of a case; windows open and close on all of them together."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self._ended = False

    def end(self) -> None:
        """Stop after what is under way; legal in a signal handler."""
        self._ended = True
        for stream in self._streams:
            stream.end()

    def window(self, order: Order) -> list[Seen] | None:
        """One window of each stream; None: they were ended meanwhile."""
        if self._ended:
            return None
        if len(self._streams) == 1:
            seen = [self._streams[0].window(order)]
        else:
            with ThreadPoolExecutor(len(self._streams), "stream") as pool:
                seen = list(pool.map(lambda stream: self._one(stream, order), self._streams))
        whole = [one for one in seen if one is not None]
        return whole if len(whole) == len(self._streams) and not self._ended else None

    def _one(self, stream: Stream, order: Order) -> Seen | None:
        try:
            return stream.window(order)
        except BaseException:
            self.end()  # or the others would be waited for in vain
            raise


@contextmanager
def lines(
    nets: Sequence[Network],
    footage: Footage,
    config: Config,
    options: BenchOptions,
    folder: Path,
    trace: Trace | None = None,
) -> Iterator[Lines]:
    """Start the stages of `run`, once a stream; they are joined on leaving.

    Args:
        nets: loaded; several streams share them.
        footage: what all streams show.
        config: of the case.
        options: of the benchmark.
        folder: where videos go.
        trace: of the first stream.
    """
    if options.streams > 1:
        shared = [SharedBackend(net.selection.backend) for net in nets]
        nets = [_with_backend(net, backend) for net, backend in zip(nets, shared, strict=True)]
    with ExitStack() as entered:
        streams = []
        for number in range(options.streams):
            own = nets if options.streams == 1 else [_own(net) for net in nets]
            stream = _stream(own, footage, config, options, folder / f"{number}.mp4", None if number else trace)
            streams.append(entered.enter_context(stream))
        yield Lines(streams)


def _stream(
    nets: Sequence[Network],
    footage: Footage,
    config: Config,
    options: BenchOptions,
    video: Path,
    trace: Trace | None,
) -> Stream:
    scenario, clock = options.scenario, RealClock()
    paced_fps = (options.fps or footage.info.fps) if scenario.paced else None
    meter = Meter(footage.info, footage.pictures, clock, paced_fps)
    out = msgspec.structs.replace(config.output, save=str(video) if options.output == "video" else None)
    out = msgspec.structs.replace(out, json=None, masks=None, pictures=None)
    flow: Flow[Picture] = build(
        config,
        meter,
        nets,
        dropped=lambda: flow.drops,
        render=None if options.output == "scene" else _renderer(config, scenario.paced),
        sinks=sinks(out, "", meter, 0.0, []),
        in_flight=1 if scenario.alone else None,
    )
    return Stream(flow, meter, clock, asked=scenario.alone, trace=trace)


def _renderer(config: Config, live: bool) -> Callable[[Scene], Picture]:
    from pipeline.render import Renderer

    renderer, status = Renderer(config.render, Pool), StatusLine(live, TruthScore())
    return lambda scene: renderer.render(scene, status.line(scene) if config.render.status else None)


def _with_backend(net: Network, backend: SharedBackend) -> Network:
    return replace(net, selection=replace(net.selection, backend=backend))


def _own(net: Network) -> Network:
    """What stands before and behind a network is used by one thread at a time: a line has its own."""
    return replace(net, preprocessor=Preprocessor(net.card.input, Pool), decoder=copy.copy(net.decoder))


def instead(nets: Sequence[Network], selections: Sequence[Selection]) -> list[Network]:
    """The same networks behind other backends."""
    return [_own(replace(net, selection=selection)) for net, selection in zip(nets, selections, strict=True)]
