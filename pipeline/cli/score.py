"""`dashmask score`: what files of predictions are worth, whoever made them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer


def score(
    predictions: Annotated[str, typer.Argument(metavar="PRED", help="The file of predictions, or their folder.")],
    truth: Annotated[
        str,
        typer.Argument(metavar="TRUTH", help="The official truth: its JSON or text file, or the folder of its PNGs."),
    ],
    format: Annotated[
        str, typer.Option(metavar="FORMAT", help="bdd100k, cityscapes, coco, davis, kitti, mots or scalabel.")
    ],
    split: Annotated[str, typer.Option(metavar="NAME", help="Where TRUTH is a whole data set.")] = "val",
    task: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of bdd100k: sem_seg, drivable, lane, ins_seg, pan_seg; else as the files say. Of davis: "
            "semi-supervised, or unsupervised. Of scalabel: ins_seg.",
        ),
    ] = "",
    boundary: Annotated[
        bool, typer.Option("--boundary", help="Also compare the borders of label maps: boundary IoU and F. Slower.")
    ] = False,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Table of classes: a file, or one of configs/mappings. Twice: one for label maps, one for objects. "
            "The benchmark's own figures stay in its classes. Of coco: where the table has other classes than TRUTH, "
            "PRED has COCO's category ids.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End at the first broken or missing prediction or truth.")
    ] = False,
    json: Annotated[str | None, typer.Option(metavar="OUT.json", help="Write all figures.")] = None,
) -> None:
    """Score files of predictions against the official truth, as `dashmask eval` scores a network.

    Beside AP and mean IoU stand the figures of the benchmark's own tool: sMOTSA, HOTA, J and F, iIoU, lane F1.

    No image is needed. What is missing counts as its benchmark counts it; what is wrong is left out, and said.

    Example: [bold]dashmask score results.json instances_val2017.json --format coco[/bold]
    """
    from pathlib import Path

    from rich.console import Console

    from pipeline.cli.eval_table import tables
    from pipeline.cli.official_table import official_tables
    from pipeline.cli.progress import say
    from pipeline.cli.settings import output_path
    from pipeline.evaluation.file_scores import score_files
    from pipeline.evaluation.truths import TruthWanted
    from pipeline.report import write_report

    output = output_path(json, predictions, truth)
    wanted = TruthWanted(Path(truth), Path(predictions), split, task, strict)

    def watch(done: int, total: int) -> None:
        if done % 500 == 0:
            say(f"{done} of {total} images")

    what = score_files(format, wanted, watch, boundary, mapping or ())
    if output is not None:
        write_report(output, what)
    console = Console()
    for table in [*tables(what), *official_tables(what)]:
        console.print(table)
    for line in _lines(what):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _lines(what: Mapping[str, Any]) -> list[str]:
    from pipeline.cli.eval_table import left_out_lines, scored_lines

    missing = what["missing"]
    empty = f"{what['nothing_found']} in which nothing was found, " if what["nothing_found"] else ""
    said = [
        f"{what['predictions']} as {what['format']}: {what['images']} images, "
        f"{missing['count']} without a prediction, {empty}{what['left_out']['count']} left out"
    ]
    if missing["count"]:
        said.append(f"  without a prediction: {', '.join(missing['images'][:5])}: {missing['counted']}")
    said += [*left_out_lines(what["left_out"]), *(scored_lines(what) if "mapping" in what else ())]
    return [*said, what["note"]] if what["note"] else said
