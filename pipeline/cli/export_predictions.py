"""`dashmask export-predictions`: what networks find, in an official result format."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import Given, configured


@configured("model", "backend", "require", "unverified", "imgsz", "frames")
def export_predictions(
    *,
    write: Annotated[
        str, typer.Option(metavar="FORMAT", help="bdd100k, cityscapes, coco, davis, kitti, mots or scalabel.")
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="Where the files go.")],
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="A data set, as `dashmask eval` takes it; or give --source.")
    ] = None,
    root: Annotated[str | None, typer.Option(metavar="DIR", help="The folder that its layout begins in.")] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Of the data set.")] = "val",
    option: Annotated[
        list[str] | None, typer.Option(metavar="a=b", help="Of the data set, such as encoding=binary for folders.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="A clip or anything else that `dashmask run` takes.")
    ] = None,
    given: Given,
    mapping: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Table from the network's classes to the format's; may be repeated."),
    ] = None,
    conf: Annotated[
        float | None,
        typer.Option(
            metavar="0..1",
            help="Least score of an object. Default: 0.001 for a data set where the format has scores, as `dashmask "
            "eval`; else 0.25.",
        ),
    ] = None,
    track: Annotated[bool, typer.Option("--track", help="Number objects over time, for mots and davis.")] = False,
) -> None:
    """Write what networks find in a data set or a clip as its benchmark's server and tools take it.

    Example: [bold]dashmask export-predictions --write coco --out found --source drive.mp4 -m yolo11n-seg.onnx[/bold]
    """
    from pathlib import Path

    import cv2

    from pipeline.cli.progress import Progress, say
    from pipeline.cli.settings import settings
    from pipeline.errors import ConfigError
    from pipeline.evaluation.evaluate import DEFAULTS
    from pipeline.evaluation.labelled import Wanted, open_labelled
    from pipeline.evaluation.predictions import export_predictions as execute
    from pipeline.formats import open_writer, writer_kind
    from pipeline.running.capture import open_configured

    if (dataset is None) == (source is None):
        raise ConfigError("what shall be looked at?", hint="give either --dataset NAME --root DIR or --source SOURCE")
    whole = given.config(
        DEFAULTS if dataset and writer_kind(write).scored else None,
        {"decode.conf": conf, "track.objects": track or None},
    )
    cv2.setNumThreads(1)
    if dataset:
        data = open_labelled(Wanted(dataset, root, split, options=settings(option or ())), whole)
        looked_at = data.source
        writer = open_writer(write, Path(out), data.object_classes, data.category_ids)
    else:
        looked_at, writer = open_configured(str(source), whole), open_writer(write, Path(out))
    with Progress(whole.source) as progress:
        done = execute(looked_at, whole, progress, writer, tuple(mapping or ()))
    for path in done.made:
        print(path)
    if done.interrupted:
        say("stopped before the end; what was written up to here is whole")
