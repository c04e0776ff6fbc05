"""`dashmask stability`: how steady the labels of a network are on any clip."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import Given, configured
from pipeline.cli.run import Source


@configured("model", "backend", "require", "unverified", "imgsz", "start", "frames")
def stability(
    source: Source,
    given: Given,
    json: Annotated[str | None, typer.Option(metavar="OUT.json", help="Write all figures.")] = None,
) -> None:
    """Measure flicker: labels moved along the optical flow beside those of the next frame. Needs no truth.

    Example: [bold]dashmask stability drive.mp4 --model enet.onnx[/bold]
    """

    import cv2
    from rich.console import Console
    from rich.markup import escape

    from pipeline.cli.progress import Progress, say
    from pipeline.cli.settings import output_path
    from pipeline.cli.table import plain_table
    from pipeline.evaluation.stability import stability as measure
    from pipeline.report import write_report

    whole = given.config()
    output = output_path(json, source, *whole.model)
    cv2.setNumThreads(1)  # the stages are the threads
    with Progress(whole.source) as progress:
        found = measure(source, whole, progress)
    if output is not None:
        write_report(output, found.report)
    what = found.report["temporal"]
    if not what["pairs"]:
        say("nothing can be said: flicker is between a frame and the next, and there were no two")
        return
    table = plain_table("class", "IoU with the frame before", numbers_from=1)
    for name, iou in what["IoU"].items():
        table.add_row(escape(name), _percent(iou))
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
