"""`dashmask replay`: recorded drives by the thousand into one data set, on this machine or on a Ray cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import CPUs, Given, GPUs, RayAddress, configured, listed


@configured("model", "backend", "require", "unverified", "imgsz", "conf")
def replay(
    *,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Videos, folders, globs, or manifests (.txt: a path, or path, tab, name, a line; .parquet: columns "
            "location, name); here, or s3://, gs://, http:// and whatever else fsspec reads.",
            metavar="INPUT...",
        ),
    ] = None,
    out: Annotated[str, typer.Option(metavar="DIR", help="The data set: a new folder, or one to go on with.")],
    given: Given,
    engine: Annotated[str, typer.Option(metavar="local|ray", help="Who runs the workers.")] = "local",
    ray_address: RayAddress = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Each with its networks. Default: one for every two cores.")
    ] = None,
    cpus: CPUs = None,
    gpus: GPUs = 0.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from what is whole; try what failed again.")
    ] = False,
    retries: Annotated[int, typer.Option(metavar="N", help="How often what failed is tried again.")] = 2,
    segment: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="Cut long clips at key frames, after S seconds or more; 0: never. Default: 60."
        ),
    ] = None,
    masks: Annotated[bool, typer.Option("--masks", help="Also write PNG masks: DIR/masks/CLIP/.")] = False,
    videos: Annotated[bool, typer.Option("--videos", help="Also write drawn videos; then no clip is cut.")] = False,
    every: Annotated[int | None, typer.Option(metavar="K", help="Take every K-th frame. Default: 1.")] = None,
    iou: Annotated[
        float | None,
        typer.Option(metavar="0..1", help="IoU above which the weaker of two boxes is dropped. Default: 0.7."),
    ] = None,
    classes: Annotated[str | None, typer.Option(metavar="NAME,...", help="Only objects of these classes.")] = None,
) -> None:
    """Segment recordings into a Parquet data set: a file a clip, a row a frame and a row an object.

    Example: [bold]dashmask replay drives/ --out dataset --model yolo11n-seg.onnx[/bold]
    """
    from pathlib import Path

    from pipeline.cli.replay_progress import ReplayProgress, finish
    from pipeline.errors import ConfigError
    from pipeline.replay.engines import Crew, engine_maker
    from pipeline.replay.replay import Wanted
    from pipeline.replay.replay import replay as execute

    if not out:
        raise ConfigError("where shall the data set be?", hint="add --out DIR")
    whole = given.config(
        keys={"source.every": every, "decode.iou": iou, "decode.classes": listed(classes)},
    )
    maker = engine_maker(engine, Crew(workers, ray_address, cpus, gpus))
    wanted = Wanted(inputs or (), Path(out), whole, masks, videos, resume, retries, segment)
    with ReplayProgress() as progress:
        outcome = execute(wanted, maker, progress)
    if code := finish(outcome, Path(out)):
        raise typer.Exit(code)
