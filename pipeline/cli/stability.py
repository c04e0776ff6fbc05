"""`dashmask stability`: how steady the labels of a network are on any clip."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import IMGSZ, Backend, ConfigFile, Models, Require, Set
from pipeline.cli.run import Source


def stability(
    source: Source,
    model: Models = None,
    json: Annotated[str | None, typer.Option(metavar="OUT.json", help="Write all figures.")] = None,
    start: Annotated[float | None, typer.Option(metavar="S", help="Skip the first S seconds.")] = None,
    frames: Annotated[int | None, typer.Option(metavar="N", help="Stop after N frames.")] = None,
    backend: Backend = None,
    require: Require = None,
    imgsz: IMGSZ = None,
    config: ConfigFile = None,
    set: Set = None,
) -> None:
    """Measure flicker: labels moved along the optical flow beside those of the next frame. Needs no truth.

    Example: [bold]dashmask stability drive.mp4 --model enet.onnx[/bold]
    """
    from pathlib import Path

    import cv2
    from rich.console import Console

    from pipeline.cli.progress import Progress, say
    from pipeline.cli.table import plain_table
    from pipeline.config_file import load
    from pipeline.errors import SinkError
    from pipeline.evaluation.stability import stability as measure
    from pipeline.report import write_report

    whole = load(
        config,
        set or (),
        {
            "model": tuple(model) if model else None,
            "backend.name": backend,
            "backend.require": require,
            "source.start_s": start,
            "source.frames": frames,
            "input.long_side": imgsz,
        },
    )
    if json is not None and not Path(json).parent.is_dir():
        raise SinkError(f"{json}: its folder is not there", hint=f"make {Path(json).parent} first")
    cv2.setNumThreads(1)  # the stages are the threads
    with Progress(whole.source.frames) as progress:
        found = measure(source, whole, progress)
    if json is not None:
        write_report(Path(json), found.report)
    what = found.report["temporal"]
    table = plain_table("class", "IoU with the frame before", numbers_from=1)
    for name, iou in what["IoU"].items():
        table.add_row(name, _percent(iou))
    table.add_section()
    table.add_row("mean", _percent(what["mean_iou"]))
    table.add_row("mean, without occlusions", _percent(what["mean_iou_seen"]))
    console = Console()
    console.print(table)
    console.print(
        f"flicker: {_percent(what['flicker'])} % of the pixels followed change class from frame to frame, "
        f"{_percent(what['blink'])} % for one frame only; {what['pairs']} pairs, "
        f"{_percent(what['seen'])} % of their pixels followed",
        soft_wrap=True,
        highlight=False,
    )
    if found.interrupted:
        say("stopped before the end: these are the figures of the frames before it")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f}"
