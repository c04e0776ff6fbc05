"""`dashmask export-predictions`: what networks find, in an official result format."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import IMGSZ, Backend, ConfigFile, Models, Require, Set


def export_predictions(
    write: Annotated[
        str, typer.Option(metavar="FORMAT", help="bdd100k, cityscapes, coco, davis, kitti, mots or scalabel.")
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="Where the files go.")],
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="A data set, as `dashmask eval` takes it; or give --source.")
    ] = None,
    root: Annotated[str | None, typer.Option(metavar="DIR", help="The folder that its layout begins in.")] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Of the data set.")] = "val",
    source: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="A clip or anything else that `dashmask run` takes.")
    ] = None,
    model: Models = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Table from the network's classes to the format's; may be repeated."),
    ] = None,
    conf: Annotated[float | None, typer.Option(metavar="0..1", help="Least score of an object.")] = None,
    track: Annotated[bool, typer.Option("--track", help="Number objects over time, for mots.")] = False,
    frames: Annotated[int | None, typer.Option(metavar="N", help="Stop after N images.")] = None,
    backend: Backend = None,
    require: Require = None,
    imgsz: IMGSZ = None,
    config: ConfigFile = None,
    set: Set = None,
) -> None:
    """Write what networks find in a data set or a clip as its benchmark's server and tools take it.

    Example: [bold]dashmask export-predictions --write coco --out results --source drive.mp4[/bold]
    """
    from pathlib import Path

    import cv2

    from pipeline.assemble import open_configured
    from pipeline.cli.progress import Progress, say
    from pipeline.config_file import load
    from pipeline.errors import ConfigError
    from pipeline.evaluation.labelled import Wanted, open_labelled
    from pipeline.evaluation.predictions import export_predictions as execute
    from pipeline.formats import open_writer

    if (dataset is None) == (source is None):
        raise ConfigError("what shall be looked at?", hint="give either --dataset NAME --root DIR or --source SOURCE")
    whole = load(
        config,
        set or (),
        {
            "model": tuple(model) if model else None,
            "backend.name": backend,
            "backend.require": require,
            "source.frames": frames,
            "input.long_side": imgsz,
            "decode.conf": conf,
            "track.objects": track or None,
        },
    )
    cv2.setNumThreads(1)
    writer = open_writer(write, Path(out))
    looked_at = (
        open_labelled(Wanted(dataset, root, split), whole).source if dataset else open_configured(str(source), whole)
    )
    with Progress(frames) as progress:
        done = execute(looked_at, whole, progress, writer, tuple(mapping or ()))
    for path in done.made:
        print(path)
    if done.interrupted:
        say("stopped before the end; what was written up to here is whole")
