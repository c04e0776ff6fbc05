"""Run networks over a source to its end, into files and a window."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pipeline.config import Config
from pipeline.errors import SourceError, UserError
from pipeline.evidence import Evidence
from pipeline.flow import drain_on_interrupt, let_through, on_signal
from pipeline.networks import Network
from pipeline.report import backend_notes, report, write_report
from pipeline.running.assemble import build_lanes
from pipeline.running.capture import open_supervised
from pipeline.running.drawing import Drawing
from pipeline.running.idle import idle_notes
from pipeline.running.lanes import Lane
from pipeline.running.loading import Loading
from pipeline.running.page import RunPage
from pipeline.running.reloading import Reloading
from pipeline.running.source_names import outputs_for, short_names, summary_path
from pipeline.running.source_run import SourceRun
from pipeline.sources import IMAGE_SUFFIXES
from pipeline.timing import Summary
from pipeline.types import Picture, Scene, Source, SourceInfo

TICK_S = 0.25  # how often a live run looks at its sources where nothing comes out


class Watch(Protocol):
    """Who wants to know how a run goes on; called in the caller's thread."""

    def started(self, source: Source, nets: Sequence[Network]) -> None:
        """The networks are loaded; frames come next."""

    def frame(self, summary: Summary, info: SourceInfo) -> None:
        """One more frame came out."""

    def noted(self, notes: Sequence[str]) -> None:
        """What a reader of the outputs should know; after an error, what was kept of them."""


class SourcesWatch(Watch, Protocol):
    """Who wants to know how several sources go on, or one that is live."""

    def sources(self, runs: Sequence[SourceRun]) -> None:
        """In place of `frame`, where a source is live or there are several: at each frame, and every TICK_S."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    report: dict[str, Any]  # what --summary writes
    interrupted: bool  # stopped before the source's end; what was under way came out


def run(
    specs: str | Sequence[str],
    config: Config,
    watch: SourcesWatch,
    began_s: float | None = None,
    reload: Callable[[], Config] | None = None,
    loading: Loading | None = None,
) -> Outcome:
    """Run to the end of the source, or of all sources, into the outputs of the configuration.

    Several sources share the networks. One that fails does not stop the others; its failure is told in the report.

    Args:
        specs: names the source, or several.
        config: of the run; with several sources the paths of outputs hold `{source}` (running.source_names).
        watch: is told of the start and of every frame.
        began_s: time.monotonic() when the command began, for the time to the first frame.
        reload: gives the configuration anew when SIGHUP comes; None: that signal is left as it is.
        loading: the networks of `config`, where they are being loaded already; the caller closes them.

    Raises:
        UserError: anything a user can mend, of several sources where all failed; what was written by then is kept
            under a name that says so.
    """
    from pipeline.sinks import check_outputs

    began_s = time.monotonic() if began_s is None else began_s
    out = config.output
    names = [specs] if isinstance(specs, str) else list(specs)
    runs = _runs(names, config)
    summary = summary_path(out, [one.name for one in runs])
    evidence = Evidence(config)
    files = [name for one in runs for name in one.files[0]] + ([summary] if summary is not None else [])
    folders = [name for one in runs for name in one.files[1]]
    for one in runs:
        check_outputs(
            one.spec, files, folders + ([config.evidence.folder] if config.evidence.folder is not None else [])
        )
    with ExitStack() as closing:
        reloading = Reloading(config, reload) if reload else None
        if reloading is not None:
            closing.enter_context(on_signal(signal.SIGHUP, reloading.ask))
        if evidence.wanted:
            closing.enter_context(on_signal(signal.SIGUSR1, partial(evidence.ask, "SIGUSR1")))
        let_through(signal.SIGHUP, signal.SIGUSR1)
        if loading is None:
            loading = closing.enter_context(Loading(config))
        outputs = [
            one.outputs(config.source.start_s)
            + evidence.sinks(one.source, one.opened, one.name if len(runs) > 1 else "")
            for one in runs
        ]
        page = closing.enter_context(RunPage(config, runs)) if config.web.address else None
        if page is not None:
            outputs = [[*sinks, page.sink(number)] for number, sinks in enumerate(outputs)]
        windows = [_window(one.source.info.name) for one in runs] if out.show else []
        for window in windows:
            closing.callback(window.close)
        always = bool(out.save or out.pictures or out.stream or windows or evidence.draws)
        draws = [Drawing(config, one, always, page) for one in runs] if always or page else []
        for one in runs:
            if (trace := one.open_trace()) is not None:
                closing.enter_context(trace)
        if len(runs) == 1 and os.path.isfile(runs[0].spec):  # a pipe may keep its reader waiting
            closing.push(runs[0].source)
            runs[0].source.begin()
        nets, ladder = loading.result(lambda told: watch.noted([told]))
        evidence.check([net.card for net in nets])
        if reloading is not None:
            reloading.ready(nets, [draw.use for draw in draws])
        renders: list[Callable[[Scene], Picture] | None] = [draw.ready(nets) for draw in draws]
        lanes = [
            Lane(one.source, render, sinks, failed=one.has_failed)
            for one, render, sinks in zip(runs, renders or [None] * len(runs), outputs, strict=True)
        ]
        flow = build_lanes(
            config,
            lanes,
            nets,
            dropped=lambda number: runs[number].dropped,
            source_failed=partial(_goes_on_without, runs),
        )
        for one, ledger in zip(runs, flow.ledgers, strict=True):
            one.ledger = ledger
        closing.enter_context(drain_on_interrupt(flow))  # who is told that it runs may end it
        watch.started(runs[0].source, nets)
        watch.noted(list(idle_notes(config, [net.card for net in nets])))
        if page is not None:
            page.start(nets)
            watch.noted([f"watch at {page.url}"])
        closing.callback(lambda: watch.noted([*_notes(runs), *backend_notes(nets)]))
        whole, first_frame_s = (runs[0].summary if len(runs) == 1 else Summary()), None
        watched = len(runs) > 1 or runs[0].source.live
        with flow:
            for picture in flow.ticking(TICK_S) if watched else flow:
                if reloading is not None and (told := reloading.due()):
                    watch.noted(told)
                for one in runs:
                    if happened := one.news():
                        watch.noted(happened)
                if picture is None:
                    watch.sources(runs)
                    continue
                done_s = time.monotonic()
                if first_frame_s is None:
                    first_frame_s = round(done_s - began_s, 3)
                frame = picture.scene.frame
                one = runs[frame.source]
                one.add(picture, done_s)
                if whole is not one.summary:
                    whole.add(frame, done_s)
                if ladder is not None and (step := ladder.add(picture, done_s)):
                    watch.noted([step])
                if watched:
                    watch.sources(runs)
                else:
                    watch.frame(whole, one.source.info)
                if page is not None:
                    page.add(picture, done_s)
                if windows and not windows[frame.source].show(picture):
                    flow.end()
        if watched:
            watch.sources(runs)
    what = report(
        runs[0].source.info,
        nets,
        whole,
        flow.drops,
        undecodable=runs[0].source.undecodable,
        first_frame_s=first_frame_s,
        notes=_notes(runs),
    )
    if ladder is not None:
        what["budget"] = ladder.report()
    if len(runs) > 1:
        del what["source"]
        what["sources"] = [one.report() for one in runs]
    elif (truth := runs[0].score.report()) is not None:
        what["truth"] = truth
    if len(runs) == 1:
        what |= runs[0].stream_report()
    if summary:
        write_report(Path(summary), what)
    _raise_if_all_failed(runs)
    return Outcome(what, flow.ended_early)


def _runs(specs: Sequence[str], config: Config) -> list[SourceRun]:
    images = all(Path(spec).suffix.lower() in IMAGE_SUFFIXES for spec in specs)
    return [
        SourceRun(spec, name, open_supervised(spec, config), outputs_for(config.output, name, len(specs), images))
        for spec, name in zip(specs, short_names(specs), strict=True)
    ]


def _goes_on_without(runs: Sequence[SourceRun], number: int, error: Exception) -> bool:
    """Whether the run goes on when a source has failed: where there are others, and it is no defect of ours."""
    if len(runs) == 1 or not isinstance(error, UserError):
        return False
    runs[number].failure = error
    return True


def _raise_if_all_failed(runs: Sequence[SourceRun]) -> None:
    failures = [one.failure for one in runs if one.failure is not None]
    if len(failures) == len(runs):
        told = "; ".join(failure.message for failure in failures)
        raise SourceError(f"all {len(runs)} sources failed: {told}", hint=failures[0].hint)


def _notes(runs: Sequence[SourceRun]) -> list[str]:
    return [note for one in runs for note in one.notes]


def _window(name: str) -> Any:
    from pipeline.sinks import sink_class

    return sink_class("window")(f"dashmask {name}")
