"""`dashmask data`: what is in a data set, and where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from pipeline.data_check.check import Checked

data = typer.Typer(
    name="data",
    help="Labelled images: look into them, and bring them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_LISTED = 10  # so many files that are wrong are named on the screen; the JSON names all


@data.command()
def check(
    dataset: Annotated[str, typer.Option(metavar="NAME", help="Such as camvid, coco, bdd100k-instances, voc.")],
    root: Annotated[str, typer.Option(metavar="DIR", help="The folder that its layout begins in.")],
    split: Annotated[str | None, typer.Option(metavar="NAME", help="Default: all that it may have.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="a=b", help="Of the data set, such as kind=lane.")
    ] = None,
    sheet: Annotated[str | None, typer.Option(metavar="OUT.png", help="Draw a contact sheet.")] = None,
    json: Annotated[str | None, typer.Option(metavar="OUT.json", help="Write all that was found.")] = None,
) -> None:
    """Read a data set whole: what is there, what is missing, what is wrong, and how much of each class.

    Exits with 1 if anything is wrong. Example: [bold]dashmask data check --dataset voc --root VOC2012[/bold]
    """
    from pathlib import Path

    from rich.console import Console

    from pipeline.cli.progress import say
    from pipeline.cli.settings import output_path, picture_path, settings
    from pipeline.data_check.check import check_split, usual_splits
    from pipeline.datasets import open_dataset
    from pipeline.report import write_report

    drawn_to, written_to = picture_path(sheet), output_path(json)
    splits = [split] if split else usual_splits(dataset)
    options = settings(option or ())

    def watch(done: int, total: int) -> None:
        if done % 500 == 0:
            say(f"{done} of {total} images")

    if split:
        open_dataset(dataset, root, split, **{**options, "strict": False})  # an error in words, not in a table
    found = [check_split(dataset, Path(root), one, options, watch) for one in splits]
    console = Console()
    for one in found:
        _show(console, dataset, one)
    if written_to is not None:
        write_report(written_to, {"dataset": dataset, "root": root, "splits": [one.report() for one in found]})
    pictures = [picture for one in found for picture in one.thumbnails][:12] if split else _some(found)
    if drawn_to is not None and pictures:
        from pipeline.cli.settings import write_picture
        from pipeline.data_check.contact_sheet import contact_sheet

        first = next(one for one in found if one.thumbnails)
        opened = open_dataset(dataset, root, first.split, **{**options, "strict": False})
        tables = [table for table in (opened.classes, opened.object_classes) if table is not None]
        images = sum(one.images for one in found)
        write_picture(drawn_to, contact_sheet(f"{dataset}: {images} images, {opened.terms}", pictures, tables))
        say(f"contact sheet: {drawn_to}")
    if any(one.wrong or one.left_out for one in found) or not any(one.images for one in found):
        raise typer.Exit(1)


def _some(found: list[Checked]) -> list[NDArray[np.uint8]]:
    """Twelve pictures, of every split some."""
    there = [one.thumbnails for one in found if one.thumbnails]
    each = max(12 // max(len(there), 1), 1)
    return [picture for pictures in there for picture in pictures[:: max(len(pictures) // each, 1)][:each]]


def _show(console: Console, dataset: str, one: Checked) -> None:
    from rich.markup import escape

    from pipeline.cli.table import plain_table

    if one.missing:
        console.print(f"{dataset} {one.split}: nothing: {escape(one.missing)}", soft_wrap=True, highlight=False)
        return
    sizes = ", ".join(f"{size} ({count})" for size, count in one.sizes.most_common(4))
    sizes += f" and {len(one.sizes) - 4} more" if len(one.sizes) > 4 else ""
    console.print(
        f"{dataset} {one.split}: {one.images} images are whole, {len(one.wrong)} wrong, {len(one.left_out)} without "
        f"a partner; sizes {sizes or '-'}; data for: {escape(one.terms)}",
        soft_wrap=True,
        highlight=False,
    )
    for kind, listed in (("wrong", one.wrong), ("left out", one.left_out)):
        for name, reason in listed[:_LISTED]:
            console.print(f"  {kind}: {escape(name)}: {escape(reason)}", soft_wrap=True, highlight=False)
        if len(listed) > _LISTED:
            console.print(f"  {kind}: {len(listed) - _LISTED} more")
    if one.pixels:
        total = max(sum(one.pixels.values()), 1)
        table = plain_table("class", "pixels", "share", "images", numbers_from=1)
        for name, pixels in one.pixels.items():
            table.add_row(escape(name), f"{pixels}", f"{pixels / total:.2%}", f"{one.in_images[name]}")
        console.print(table)
    if one.objects:
        table = plain_table("object", "objects", "crowds", "ignored", "images", numbers_from=1)
        for name, counts in one.objects.items():
            if any(counts.values()):
                table.add_row(escape(name), *(f"{counts[k]}" for k in ("objects", "crowd", "ignored", "images")))
        console.print(table)
        absent = [name for name, counts in one.objects.items() if not any(counts.values())]
        if absent:
            console.print(f"no object of {len(absent)} classes: {escape(', '.join(absent))}", soft_wrap=True)


@data.command()
def fetch(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Default: list what there is.")] = None,
    root: Annotated[str, typer.Option(metavar="DIR", help="Where to.")] = ".",
    yes: Annotated[bool, typer.Option("--yes", help="Agree to the terms that are shown.")] = False,
    unpack: Annotated[bool, typer.Option("--unpack/--no-unpack", help="Unpack archives into DIR.")] = True,
    table: Annotated[
        str | None, typer.Option(metavar="FILE", help="Another table than configs/fetch/data.yaml.")
    ] = None,
) -> None:
    """Bring a data set that has a public address; say where to register for the others.

    What broke off goes on where it was. Example: [bold]dashmask data fetch coco-val2017 --root coco --yes[/bold]
    """
    from pipeline.cli.fetching import fetch_offer

    fetch_offer("data", name, root, yes, table, unpacked=unpack)
