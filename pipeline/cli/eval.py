"""`dashmask eval`: what a network is worth on labelled images, and how fast it is there."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import CPUs, Given, GPUs, RayAddress, configured


@configured("model", "backend", "require", "unverified", "imgsz", "frames", "fps")
def eval(
    *,
    dataset: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="In its official layout: camvid, cityscapes, kitti-semantic, bdd100k, coco, idd-lite, voc ...; "
            "folders (images/ and masks/); or a drawn drive: demo, demo:seed=3,frames=100.",
        ),
    ],
    root: Annotated[str | None, typer.Option(metavar="DIR", help="The folder that its layout begins in.")] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Of the data set; train+val means both.")] = "val",
    given: Given,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Table of classes: a file, or one of configs/mappings. Twice: one for each network."
        ),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="a=b", help="Of the data set, such as encoding=binary for folders.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End at the first broken or missing file.")] = False,
    json: Annotated[str | None, typer.Option(metavar="OUT.json", help="Write all figures.")] = None,
    report: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Write a page with charts and the worst images, and all figures."),
    ] = None,
    boundary: Annotated[
        bool, typer.Option("--boundary", help="Also compare the borders of label maps: boundary IoU and F. Slower.")
    ] = False,
    streaming: Annotated[
        bool, typer.Option("--streaming", help="Also play the images at their own pace and score what came in time.")
    ] = False,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="latency=1.5x,fps=30,...",
            help="Simulate it with other times: latency=1.5x or 40ms, fps, policy=newest|drop_oldest|block, queue, "
            "workers. May be given several times.",
        ),
    ] = None,
    record_times: Annotated[
        str | None, typer.Option(metavar="OUT.jsonl", help="Write results and measured times, for --replay.")
    ] = None,
    replay: Annotated[
        str | None, typer.Option(metavar="FILE.jsonl", help="Score recorded results and times; no network runs.")
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="local|ray", help="Where it runs: ray spreads the images over a cluster.")
    ] = "local",
    ray_address: RayAddress = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Ray: how many, each with its networks.")] = None,
    cpus: CPUs = None,
    gpus: GPUs = 0.0,
) -> None:
    """Score networks on labelled images: IoU, box and mask AP, panoptic quality, with their speed beside it.

    A network that finds objects is asked for all from a score of 0.001 on, as precision needs the unlikely ones too.

    Example: [bold]dashmask eval --dataset camvid --root CamVid --split val --model enet.onnx[/bold]
    """
    import cv2
    from rich.console import Console

    from pipeline.cli.eval_cluster import check_engine, evaluated
    from pipeline.cli.eval_film import (
        film_lines,
        film_table,
        open_film,
        refuse_over_time,
        refuse_with_replay,
        replayed,
    )
    from pipeline.cli.eval_table import lines, tables
    from pipeline.cli.progress import Progress, say
    from pipeline.cli.settings import output_path, settings
    from pipeline.evaluation.evaluate import DEFAULTS, evaluate, evaluation_report
    from pipeline.evaluation.labelled import Wanted, open_labelled
    from pipeline.evaluation.report import Worst, check_folder, write_page
    from pipeline.replay.engines import Crew
    from pipeline.report import write_report

    whole = given.config(DEFAULTS)
    output = output_path(json)
    folder = check_folder(report) if report is not None else None
    worst = Worst() if folder is not None else None
    cv2.setNumThreads(1)  # the stages are the threads
    wanted = Wanted(dataset, root, split, strict, settings(option or ()))
    of_time = {"--streaming": streaming, "--what-if": what_if, "--record-times": record_times, "--replay": replay}
    crew = Crew(workers, ray_address, cpus, gpus)
    on_cluster = check_engine(engine, crew, {**of_time, "--report": report})
    refuse_over_time(whole, {**of_time, f"--engine {engine}": on_cluster})
    if on_cluster:
        evaluated(wanted, whole, crew, mapping or (), boundary, output)
        return
    data = open_labelled(wanted, whole)
    if replay is not None:
        refuse_with_replay({"--streaming": streaming, "--record-times": record_times, "--report": report})
        replayed(data, whole, replay, what_if, mapping or (), boundary, output)
        return
    film = open_film(streaming, what_if, output_path(record_times))
    with Progress(whole.source) as progress:
        evaluation = evaluate(data, whole, progress, mapping or (), worst, film, boundary)
    what = evaluation_report(evaluation)
    if output is not None:
        write_report(output, what)
    if folder is not None and worst is not None:
        say(f"the report is {write_page(folder, what, worst)}")
    console = Console()
    for table in tables(what):
        console.print(table)
    if (times := film_table(what)) is not None:
        console.print(times)
    for line in (*film_lines(what), *lines(what)):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if evaluation.interrupted:
        say("stopped before the last image: these are the figures of those before it")
