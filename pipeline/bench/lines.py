"""The stages of a run with a meter at the head of each source."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from engines.select import Selection
from pipeline.bench.clock import RealClock
from pipeline.bench.footage import Footage
from pipeline.bench.meter import Meter
from pipeline.bench.options import BenchOptions
from pipeline.bench.stream import Streams
from pipeline.config import Config
from pipeline.evaluation.truth_score import TruthScore
from pipeline.flow import Flow, Pool
from pipeline.networks import Network
from pipeline.preprocess import Preprocessor
from pipeline.running.assemble import build_lanes
from pipeline.running.lanes import Lane
from pipeline.running.outputs import sinks
from pipeline.running.status_line import StatusLine
from pipeline.trace import Trace
from pipeline.types import Picture, Scene


def streams(
    nets: Sequence[Network],
    footage: Footage,
    config: Config,
    options: BenchOptions,
    folder: Path,
    trace: Trace | None = None,
) -> Streams:
    """The stages that `run` has for as many sources; not yet started.

    Args:
        nets: loaded.
        footage: what every source shows.
        config: of the case.
        options: of the benchmark.
        folder: where videos go.
        trace: of the first source.
    """
    scenario, clock = options.scenario, RealClock()
    paced_fps = (options.fps or footage.info.fps) if scenario.paced else None
    meters = [Meter(footage.info, footage.pictures, clock, paced_fps) for _ in range(options.streams)]
    lanes = []
    for number, meter in enumerate(meters):
        video = str(folder / f"{number}.mp4") if options.output == "video" else None
        out = msgspec.structs.replace(config.output, save=video, json=None, masks=None, pictures=None)
        render = None if options.output == "scene" else _renderer(config, scenario.paced)
        lanes.append(Lane(meter, render, sinks(out, "", meter, 0.0, [])))
    flow: Flow[Picture] = build_lanes(
        config,
        lanes,
        nets,
        dropped=lambda number: flow.ledgers[number].drops,
        in_flight=1 if scenario.alone else None,
    )
    backends = [net.selection.backend for net in nets]
    together = 1 if scenario.alone else max(backend.workers * backend.max_batch for backend in backends)
    return Streams(flow, meters, clock, asked=scenario.alone, trace=trace, together=together)


def _renderer(config: Config, live: bool) -> Callable[[Scene], Picture]:
    from pipeline.render import Renderer

    renderer, status = Renderer(config.render, Pool), StatusLine(live, TruthScore())
    return lambda scene: renderer.render(scene, status.line(scene) if config.render.status else None)


def instead(nets: Sequence[Network], selections: Sequence[Selection]) -> list[Network]:
    """The same networks behind other backends; what stands before and behind them is new, too."""
    return [
        replace(
            net,
            selection=selection,
            preprocessor=Preprocessor(net.card.input, Pool),
            decoder=copy.copy(net.decoder),
        )
        for net, selection in zip(nets, selections, strict=True)
    ]
