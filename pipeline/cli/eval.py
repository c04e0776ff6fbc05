"""`dashmask eval`: what a network is worth on labelled images, and how fast it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import IMGSZ, Backend, ConfigFile, Models, Require, Set

if TYPE_CHECKING:
    from rich.table import Table

_LISTED = 5  # so many files that were left out are named on the screen; the JSON names all


def eval(
    dataset: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="camvid, cityscapes, kitti-semantic, bdd100k, idd-lite, folders (images/ and masks/), "
            "or a drawn drive: demo, demo:seed=3,frames=100.",
        ),
    ],
    root: Annotated[str | None, typer.Option(metavar="DIR", help="The folder that its layout begins in.")] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Of the data set; train+val means both.")] = "val",
    model: Models = None,
    mapping: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Table of classes: a file, or one of configs/mappings."),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="a=b", help="Of the data set, such as encoding=binary for folders.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End at the first broken or missing file.")] = False,
    json: Annotated[str | None, typer.Option(metavar="OUT.json", help="Write all figures.")] = None,
    frames: Annotated[int | None, typer.Option(metavar="N", help="Stop after N images.")] = None,
    backend: Backend = None,
    require: Require = None,
    imgsz: IMGSZ = None,
    config: ConfigFile = None,
    set: Set = None,
) -> None:
    """Score a semantic network on labelled images: IoU per class and mean, with its speed beside it.

    Example: [bold]dashmask eval --dataset camvid --root CamVid --split val --model enet.onnx[/bold]
    """
    import cv2
    from rich.console import Console

    from pipeline.cli.progress import Progress, say
    from pipeline.config_file import load
    from pipeline.evaluate import evaluate, evaluation_report
    from pipeline.labelled import Wanted, open_labelled
    from pipeline.report import write_report

    whole = load(
        config,
        set or (),
        {
            "model": tuple(model) if model else None,
            "backend.name": backend,
            "backend.require": require,
            "input.long_side": imgsz,
            "source.frames": frames,
        },
    )
    output = _output(json)
    cv2.setNumThreads(1)  # the stages are the threads
    data = open_labelled(Wanted(dataset, root, split, strict, _options(option or ())), whole)
    with Progress(whole.source.frames) as progress:
        evaluation = evaluate(data, whole, progress, mapping)
    what = evaluation_report(evaluation)
    if output is not None:
        write_report(output, what)
    console = Console()
    console.print(_table(what))
    for line in _lines(what):
        console.print(line, soft_wrap=True, highlight=False)
    if evaluation.interrupted:
        say("stopped before the last image: these are the figures of those before it")


def _table(what: Mapping[str, Any]) -> Table:
    from pipeline.cli.table import plain_table

    table = plain_table("class", "IoU", "accuracy", "share of truth", numbers_from=1)
    for name, figures in what["classes"].items():
        share = figures["pixels"] / what["pixels"]["scored"] if what["pixels"]["scored"] else None
        table.add_row(name, _percent(figures["IoU"]), _percent(figures["accuracy"]), _percent(share))
    table.add_section()
    table.add_row("mean", _percent(what["mIoU"]), _percent(what["class_accuracy"]), "")
    table.add_row("weighted with the truth", _percent(what["frequency_weighted_IoU"]), "", "")
    table.add_row("all pixels", "", _percent(what["pixel_accuracy"]), "")
    return table


def _lines(what: Mapping[str, Any]) -> list[str]:
    """What the table does not say: which images, how fast, what was not scored."""
    data, left_out, stages, age = what["dataset"], what["left_out"], what["stages_ms"], what["age_ms"]
    lines = [
        f"{data['name']} {data['split']}".rstrip() + f": {what['images']} images, {left_out['count']} left out; "
        f"data for: {data['terms']}"
    ]
    lines += [f"  left out: {one['name']}: {one['reason']}" for one in left_out["files"][:_LISTED]]
    if left_out["count"] > _LISTED:
        lines.append(f"  left out: {left_out['count'] - _LISTED} more")
    if what["mapping"] != "same names":
        lines.append(f"classes as {what['mapping']} maps them")
    for side, said in (("truth", "not scored, the mapping leaves them out"), ("predicted", "counted as misses")):
        if unmapped := what["pixels"]["unmapped"][side]:
            named = ", ".join(f"{name} {pixels} px" for name, pixels in unmapped.items())
            lines.append(f"{said}: {named}")
    network = stages["infer"]
    lines.append(
        f"{what['fps'] or 0:.1f} frames/s, reading the images and their labels included; network "
        f"{_ms(network['p50'], network['mean'])}, from image to result {_ms(age['p50'], age['mean'])}"
        + (f", p99 {age['p99']:.1f} ms" if age["p99"] is not None else "")
    )
    return lines


def _ms(median: float | None, mean: float | None) -> str:
    if median is None:
        return f"{mean or 0:.1f} ms on average"
    return f"{median:.1f} ms"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f}"


def _options(pairs: Sequence[str]) -> dict[str, Any]:
    import yaml

    from pipeline.errors import ConfigError

    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--option {pair}: expected key=value", hint="for instance --option encoding=binary")
        try:
            options[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"--option {pair}: the value is not YAML") from None
    return options


def _output(name: str | None) -> Any:
    """The path of the JSON, while it can still be said before an hour of work that it has no folder."""
    from pathlib import Path

    from pipeline.errors import SinkError

    if name is None:
        return None
    path = Path(name)
    if not path.parent.is_dir():
        raise SinkError(f"{path}: its folder is not there", hint=f"make {path.parent} first")
    return path
