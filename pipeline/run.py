"""Run networks over a source to its end, into files and a window."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pipeline.assemble import build, open_configured
from pipeline.config import Config
from pipeline.evaluation.truth_score import TruthScore
from pipeline.evidence import Evidence
from pipeline.flow import Flow, Pool, drain_on_interrupt, on_signal
from pipeline.ladder import Ladder, open_ladder
from pipeline.networks import Network, networks
from pipeline.outputs import all_names, sinks
from pipeline.reloading import Reloading
from pipeline.report import backend_notes, report, write_report
from pipeline.timing import Summary
from pipeline.trace import Trace
from pipeline.types import Picture, Scene, Sink, Source, SourceInfo


class Watch(Protocol):
    """Who wants to know how a run goes on; called in the caller's thread."""

    def started(self, source: Source, nets: Sequence[Network]) -> None:
        """The networks are loaded; frames come next."""

    def frame(self, summary: Summary, info: SourceInfo) -> None:
        """One more frame came out."""

    def noted(self, notes: Sequence[str]) -> None:
        """What a reader of the outputs should know; after an error, what was kept of them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    report: dict[str, Any]  # what --summary writes
    interrupted: bool  # stopped before the source's end; what was under way came out


def run(
    spec: str,
    config: Config,
    watch: Watch,
    began_s: float | None = None,
    reload: Callable[[], Config] | None = None,
) -> Outcome:
    """Run to the end of the source, into the outputs of the configuration.

    Args:
        spec: names the source.
        config: of the run.
        watch: is told of the start and of every frame.
        began_s: time.monotonic() when the command began, for the time to the first frame.
        reload: gives the configuration anew when SIGHUP comes; None: that signal is left as it is.

    Raises:
        UserError: anything a user can mend; what was written by then is kept under a name that says so.
    """
    from pipeline.sinks import check_outputs

    began_s = time.monotonic() if began_s is None else began_s
    out = config.output
    files, folders = (out.save, out.json, out.summary, out.trace), (out.masks, out.pictures, config.evidence.folder)
    check_outputs(spec, [name for name in files if name], [name for name in folders if name])
    evidence = Evidence(config)
    with ExitStack() as closing:
        reloading = Reloading(config, reload) if reload else None
        if reloading is not None:
            closing.enter_context(on_signal(signal.SIGHUP, reloading.ask))
        if evidence.wanted:
            closing.enter_context(on_signal(signal.SIGUSR1, partial(evidence.ask, "SIGUSR1")))
        # Loading a model lets the GIL go; meanwhile this thread imports what reads, draws and writes.
        loader = closing.enter_context(ThreadPoolExecutor(1, "load"))
        loading = loader.submit(_load, config)
        closing.callback(_close, loading)
        source = open_configured(spec, config)
        opened: list[Sink] = []
        outputs = sinks(out, spec, source, config.source.start_s, opened) + evidence.sinks(source, opened)
        window = _window(spec) if out.show else None
        if window is not None:
            closing.callback(window.close)
        score = TruthScore()
        drawn = out.save or out.pictures or window or evidence.draws
        drawing = Drawing(config, StatusLine(source.live, score)) if drawn else None
        trace = closing.enter_context(Trace(Path(out.trace))) if out.trace else None
        nets, ladder = loading.result()
        evidence.check([net.card for net in nets])
        flow: Flow[Picture]
        flow = build(
            config,
            source,
            nets,
            dropped=lambda: flow.drops,
            render=drawing.ready(nets) if drawing else None,
            sinks=outputs,
        )
        watch.started(source, nets)
        closing.callback(lambda: watch.noted([*_notes(opened), *backend_notes(nets)]))
        summary, first_frame_s = Summary(), None
        if reloading is not None:
            reloading.ready(nets, drawing.use if drawing else None)
        with flow, drain_on_interrupt(flow):
            for picture in flow:
                if reloading is not None and (told := reloading.due()):
                    watch.noted(told)
                done_s = time.monotonic()
                if first_frame_s is None:
                    first_frame_s = round(done_s - began_s, 3)
                summary.add(picture.scene.frame, done_s)
                if ladder is not None and (step := ladder.add(picture, done_s)):
                    watch.noted([step])
                summary.dropped = picture.scene.dropped
                score.add(picture)
                if trace is not None:
                    trace.add(picture.scene.frame, done_s, flow.drops)
                watch.frame(summary, source.info)
                if window is not None and not window.show(picture):
                    flow.end()
    what = report(
        source.info,
        nets,
        summary,
        flow.drops,
        undecodable=getattr(source, "undecodable", 0),
        first_frame_s=first_frame_s,
        notes=_notes(opened),
    )
    if ladder is not None:
        what["budget"] = ladder.report()
    if (truth := score.report()) is not None:
        what["truth"] = truth
    if out.summary:
        write_report(Path(out.summary), what)
    return Outcome(what, flow.ended_early)


def _notes(sinks: Sequence[Sink]) -> list[str]:
    return [note for sink in sinks for note in getattr(sink, "notes", ())]


def _window(spec: str) -> Any:
    from pipeline.sinks import sink_class

    return sink_class("window")(f"dashmask {spec}")


def _load(config: Config) -> tuple[tuple[Network, ...], Ladder | None]:
    """The networks, and where a budget is to be kept, the ladder that they stand on."""
    if config.budget.ms is None:
        return networks(config), None
    ladder = open_ladder(config)
    return ladder.nets, ladder


def _close(loading: Future[tuple[tuple[Network, ...], Ladder | None]]) -> None:
    if loading.exception() is None:
        for net in loading.result()[0]:
            net.selection.backend.close()


class Drawing:
    """What draws: imported now, ready once the networks are known."""

    def __init__(self, config: Config, status: StatusLine) -> None:
        from pipeline.render import Renderer

        self._config, self._status = config.render, status
        self._renderer = Renderer(config.render, Pool)
        self.use = self._renderer.use

    def ready(self, nets: Sequence[Network]) -> Callable[[Scene], Picture]:
        """The step of the run's thread; ConfigError where the render section names a class that is none."""
        from pipeline.render import check_names

        check_names(self._config, all_names([net.card.classes for net in nets]))
        return lambda scene: self._renderer.render(scene, self._status.line(scene))


class StatusLine:
    """The line on the picture: rate, age and drops, smoothed to be read; mean IoU where the truth is known."""

    def __init__(self, live: bool, score: TruthScore) -> None:
        self._live, self._score = live, score
        self._last_s: float | None = None
        self._interval_s = 0.0

    def line(self, scene: Scene) -> str:
        """What to write on the picture of a scene that is drawn now."""
        now_s = time.monotonic()
        if self._last_s is not None:
            interval_s = now_s - self._last_s
            self._interval_s += (0.05 if self._interval_s else 1.0) * (interval_s - self._interval_s)
        self._last_s = now_s
        parts = [f"{1 / self._interval_s:.1f} fps" if self._interval_s else "- fps"]
        if self._live:
            parts.append(f"age {(now_s - scene.frame.captured_s) * 1e3:.0f} ms")
        else:
            parts.append(f"{scene.frame.pts_s:.2f} s")
        if scene.rung:
            parts.append(f"at {scene.rung}")
        if dropped := sum(scene.dropped.values()):
            parts.append(f"dropped {dropped}")
        if told := self._score.line():
            parts.append(told)
        return "   ".join(parts)
