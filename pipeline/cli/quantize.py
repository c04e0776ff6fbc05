"""`dashmask quantize`: a float network to int8, refused where it loses too much."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import IMGSZ

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.workbench.quantizing import Quantized


def quantize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An ONNX network in float32.")],
    frames: Annotated[str, typer.Option(metavar="CLIP", help="Footage as it will be run on: a video or images.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT.onnx", help="Default: MODEL-int8.onnx, here.")
    ] = None,
    method: Annotated[
        str, typer.Option(metavar="minmax|entropy", help="How ranges are taken from the frames.")
    ] = "minmax",
    count: Annotated[int, typer.Option(metavar="N", help="Frames to calibrate with, evenly spread.")] = 64,
    max_loss: Annotated[float, typer.Option(metavar="0..1", help="The most that may be lost, as a share.")] = 0.01,
    imgsz: IMGSZ = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Measure the loss against the labels of a data set.")
    ] = None,
    root: Annotated[str | None, typer.Option(metavar="DIR", help="Of the data set.")] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Of the data set.")] = "val",
) -> None:
    """Make an int8 network (QDQ) of a float one, and measure what it loses on frames it was not calibrated with.

    The first 70 % of the clip calibrate, the rest measures. The loss is 1 - mean
    IoU of the labels with the float network's, or the share of objects not found
    again; with --dataset that of mean IoU, or mask AP, on labelled images. Where
    it is above --max-loss nothing is written, and the exit code is 1.

    Example: [bold]dashmask quantize enet.onnx --frames drive.mp4 --max-loss 0.05[/bold]
    """
    from typing import cast, get_args

    import cv2
    from rich.console import Console

    from engines.quantize import Method
    from pipeline.cli.progress import say
    from pipeline.errors import ConfigError
    from pipeline.workbench.quantization_loss import Truth
    from pipeline.workbench.quantizing import Wanted, quantize_model

    if method not in get_args(Method):
        raise ConfigError(f"--method {method}: expected minmax or entropy")
    if count < 1:
        raise ConfigError(f"--count {count}: expected 1 or more")
    if not 0 <= max_loss <= 1:
        raise ConfigError(f"--max-loss {max_loss}: expected 0 to 1")
    if out is not None and out.suffix.lower() != ".onnx":
        raise ConfigError(f"--out {out}: expected a name that ends in .onnx")
    if out is not None and out.exists() and Path(model).exists() and out.samefile(model):
        raise ConfigError(f"--out {out}: that is the float network itself", hint="give another name")
    if dataset is None and root is not None:
        raise ConfigError("--root is of a data set, and no --dataset is given")
    cv2.setNumThreads(1)
    truth = None if dataset is None else Truth(dataset, root, split)
    done = quantize_model(Wanted(model, frames, out, cast(Method, method), count, max_loss, imgsz, truth), say)
    console = Console()
    console.print(_table(done))
    kept = f"{done.left_float} of {done.convolutions} convolutions stay float"
    console.print(f"loss {done.loss:.4f}: {done.loss_of}; {kept}", soft_wrap=True, highlight=False, markup=False)
    if done.out is None:
        console.print("[red]refused[/red], nothing was written: ", end="")
        console.print(done.refused, soft_wrap=True, highlight=False, markup=False)
        raise typer.Exit(1)
    for line in done.stored:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(f"wrote {done.out}", soft_wrap=True, highlight=False, markup=False)


def _table(done: Quantized) -> Table:
    """What was measured on each runtime, side by side."""
    from engines.checks import CHECKS, shown
    from pipeline.cli.table import plain_table

    table = plain_table("", *(one.backend for one in done.verifications), numbers_from=1)
    names = [check.name for check in done.verifications[0].checks]
    for name in names:
        row = []
        for one in done.verifications:
            measured = next((check.measured for check in one.checks if check.name == name), None)
            row.append("-" if measured is None else shown(name, measured))
        table.add_row(CHECKS[name].title, *row)
    for title, group in (("ms a frame, int8", done.verifications), ("ms a frame, float", done.float_verifications)):
        table.add_row(title, *("-" if one.backend_ms is None else f"{one.backend_ms:.1f}" for one in group))
    return table
