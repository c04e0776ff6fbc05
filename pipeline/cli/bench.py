"""`dashmask bench`: how fast networks run here in the whole pipeline, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pipeline.cli.options import Given, configured

LEAST_WIDTH = 110  # columns: a narrower screen breaks lines, but no column is lost


@configured("start", "conf", "require", "unverified")
def bench(
    given: Given,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A clip, a folder or glob of images, or `demo`, a drawn drive held in memory."
        ),
    ] = "demo",
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="An ONNX network, or the name of an embedded one or of one of Ultralytics; several are compared. "
            "a.onnx+b.onnx: two that run on the same frames. Default: the best embedded one.",
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="auto, tensorrt, tensorrt-rtx, onnxruntime-cuda, openvino, onnxruntime-cpu or null; several are "
            "compared.",
        ),
    ] = None,
    imgsz: Annotated[
        list[int] | None, typer.Option(metavar="PX", help="Long side of the network's input; several are compared.")
    ] = None,
    scenario: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="throughput: every stage busy; single-stream: one frame at a time; live: at the source's pace, the "
            "newest frame counts; multi-stream: several live sources in turn, as in a run.",
        ),
    ] = "throughput",
    streams: Annotated[int | None, typer.Option(metavar="N", help="Sources of multi-stream. Default: 2.")] = None,
    fps: Annotated[
        float | None, typer.Option(metavar="N", help="Pace of live and multi-stream; default: the source's own.")
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            metavar="video|picture|scene", help="Where a frame's way ends: encoded, drawn, or found and no more."
        ),
    ] = "video",
    seconds: Annotated[float, typer.Option(metavar="S", help="Measured time of a case.")] = 12.0,
    windows: Annotated[int, typer.Option(metavar="N", help="Windows that it is cut into; intervals need 6.")] = 8,
    stable: Annotated[
        float, typer.Option(metavar="PERCENT", help="The warm-up ends when its last 3 windows agree within this.")
    ] = 5.0,
    warm_up: Annotated[float, typer.Option("--warm-up", metavar="S", help="And after so long in any case.")] = 20.0,
    frames: Annotated[
        int | None, typer.Option(metavar="N", help="Take the first N frames of the source, again and again.")
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="OUT.json", help="Write all figures, the machine and all versions.")
    ] = None,
    plots: Annotated[
        str | None, typer.Option(metavar="DIR", help="Draw stages, latency and accuracy against latency, as PNG.")
    ] = None,
    trace: Annotated[
        str | None, typer.Option(metavar="OUT.json", help="Write each frame's way through the threads, for Perfetto.")
    ] = None,
    compare: Annotated[
        str | None, typer.Option(metavar="OLD.json", help="Say what became faster or slower, if that can be said.")
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            metavar="slower",
            help="With --compare: exit code 1 where something became slower, or runs no longer.",
        ),
    ] = None,
) -> None:
    """Measure the whole pipeline, the network alone beside it, and what else the machine did meanwhile.

    Example: [bold]dashmask bench drive.mp4 -m yolo11n-seg.onnx --backend openvino --backend onnxruntime-cpu[/bold]
    """
    from pathlib import Path

    from rich.console import Console

    from pipeline.bench.bench import bench as measure
    from pipeline.bench.compare import FAILING, check_alike, check_source, read_report
    from pipeline.bench.compare import compare as judged
    from pipeline.bench.machine import machine
    from pipeline.bench.options import BenchOptions, asked, cases, scenario_named
    from pipeline.bench.plots import check_plots, draw
    from pipeline.cli.bench_table import lines, machine_table, stages_table, table
    from pipeline.cli.progress import say
    from pipeline.errors import ConfigError
    from pipeline.report import write_report
    from pipeline.sinks import check_outputs

    whole = given.config()
    chosen = scenario_named(scenario)
    options = BenchOptions(
        chosen,
        chosen.streams if streams is None else streams,
        fps,
        seconds,
        windows,
        stable,
        warm_up,
        output,
        frames if frames is not None else whole.source.frames,
    )
    if fail_on not in (None, "slower"):
        raise ConfigError(f"--fail-on {fail_on}: expected slower")
    if fail_on is not None and compare is None:
        raise ConfigError("--fail-on needs --compare OLD.json")
    models = model or ["+".join(whole.model)] if model or whole.model else []
    for read in (source, *models, *(part for one in models for part in one.split("+"))):
        check_outputs(
            read, [name for name in (json, trace) if name is not None], [plots] if plots is not None else []
        )
    out, traced = (None if name is None else Path(name) for name in (json, trace))
    folder = check_plots(plots) if plots is not None else None
    backends = backend or [whole.backend.name]
    wanted = list(cases(models, backends, imgsz or ()))
    old_path = Path(compare) if compare is not None else None
    old = None
    if old_path is not None:
        old = read_report(old_path, machine())
        check_alike(old_path, old, options.as_dict(), asked(wanted))

    def check(there: Mapping[str, Any]) -> None:
        if old_path is not None and old is not None:
            check_source(old_path, old, there)

    report = measure(source, wanted, whole, options, trace=traced, check=check, say=say)
    verdicts = judged(old, report) if old is not None else []
    if old is not None:
        report["compared"] = {"with": compare, "verdicts": [verdict.as_dict() for verdict in verdicts]}
    try:
        if out is not None:
            write_report(out, report)
        for path in draw(folder, report) if folder is not None else ():
            say(f"drawn: {path}")
    finally:  # a full disk costs no figure that was measured
        console = Console(width=max(Console().width, LEAST_WIDTH))
        for part in (table(report), machine_table(report), stages_table(report)):
            console.print(part)
        for line in [*lines(report), *(verdict.said() for verdict in verdicts)]:
            console.print(line, soft_wrap=True, highlight=False, markup=False)
        if report["interrupted"]:
            say("stopped before its end: these are the figures of what was measured by then")
    if fail_on == "slower" and any(verdict.verdict in FAILING for verdict in verdicts):
        raise typer.Exit(1)
