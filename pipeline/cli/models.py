"""`dashmask models`: what a network is and on what terms, before it is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

if TYPE_CHECKING:
    from pipeline.types import Card

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODEL]...", help="ONNX files, folders, embedded names; default: this folder and all embedded ones."
    ),
]


class _ShowOrFetch(typer.core.TyperGroup):
    """`dashmask models` and whatever is not `fetch` shows, with or without `show`, which the usage line names."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args[:1] != ["fetch"]:
            args = [_SHOW, *(args[1:] if args[:1] == ["show"] else args)]
        return super().parse_args(ctx, args)


_SHOW = "[show]"
models = typer.Typer(
    name="models",
    cls=_ShowOrFetch,
    help="Networks: what they are and on what terms; `models fetch` brings some.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@models.command(_SHOW)
def show(
    paths: Paths = None,
    card: Annotated[bool, typer.Option("--card", help="Print whole cards: accuracy, data, speed.")] = False,
) -> None:
    """Show networks: family, classes, input, licence; and what cannot be used, with the reason.

    Exit code 1 where that was asked for by its name.

    `dashmask models fetch` brings public ones. Example: [bold]dashmask models ~/networks[/bold]
    """
    from pathlib import Path

    from rich.console import Console
    from rich.markup import escape

    from engines.card import find_card
    from engines.embedded import BEST, embedded_models
    from pipeline.cli.table import plain_table, size_of
    from pipeline.config_file import config_dirs
    from pipeline.errors import ModelError

    card_dirs = [folder / "cards" for folder in config_dirs()]
    embedded = {str(file): name for name, file in embedded_models().items()}
    files: list[str] = []
    for name in paths or [".", *embedded_models()]:
        folder = Path(name).expanduser()
        files += [str(file) for file in sorted(folder.glob("*.onnx"))] if folder.is_dir() else [name]
    console = Console()
    table = plain_table("model", "what", "mean IoU", "licence")
    table.columns[0].no_wrap = True  # a name is what is typed
    refused, shown, named_refused = [], [], False
    for file in files:
        try:
            found = find_card(file, card_dirs=card_dirs)
        except ModelError as error:
            refused.append(str(error))
            named_refused = named_refused or file in (paths or ())
            continue
        shown.append(found)
        taken = f"{found.input.colour} {found.input.dtype}, {size_of(found.input)}"
        detail = f"{found.family}, {len(found.classes)} classes; {taken}"
        known_as = embedded.get(str(found.path), file) + (" (default)" if found.path.stem == BEST else "")
        told = found.details.get("accuracy")
        accuracy = f"{told['mean_iou']:.3f} {told['val']}" if isinstance(told, dict) and "mean_iou" in told else ""
        table.add_row(escape(known_as), detail, escape(accuracy), escape(found.licence))
    if table.row_count:
        console.print(table)
    if card:
        for found in shown:
            console.print(_card_text(found), markup=False, soft_wrap=True)
    for reason in refused:
        console.print(f"cannot be used: {escape(reason)}", soft_wrap=True)
    if not files:
        console.print(f"no .onnx file in {escape(', '.join(paths or ()))}; name one, or a folder that holds some")
    known = sorted(p.stem for folder in card_dirs for p in folder.glob("*.yaml"))
    console.print(
        f"cards that come with dashmask, for weights you have: {', '.join(known) or 'none'}", soft_wrap=True
    )
    if named_refused:
        raise typer.Exit(1)


@models.command()
def fetch(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Default: list what there is.")] = None,
    root: Annotated[str, typer.Option(metavar="DIR", help="Where to.")] = ".",
    yes: Annotated[bool, typer.Option("--yes", help="Agree to the terms that are shown.")] = False,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="What it must be, where the table does not say.")
    ] = None,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Take a file that nobody vouches for, and print its sha256.")
    ] = False,
    table: Annotated[
        str | None, typer.Option(metavar="FILE", help="Another table than configs/fetch/models.yaml.")
    ] = None,
) -> None:
    """Bring a network that has a public address.

    What broke off goes on where it was. Example: [bold]dashmask models fetch yolo11n-seg --yes --unchecked[/bold]
    """
    from pipeline.cli.fetching import fetch_offer

    fetch_offer("models", name, root, yes, table, sha256=sha256, unchecked=unchecked)


def _card_text(card: Card) -> str:
    """A card as YAML, for people."""
    import yaml

    classes = [f"{name} rgb{colour}" for name, colour in zip(card.classes.names, card.classes.colours, strict=True)]
    outputs = [f"{output.name} {output.dtype} {output.shape}" for output in card.outputs]
    told = {
        "name": card.name,
        "file": str(card.path),
        "sha256": card.sha256,
        "family": card.family,
        "classes": classes,
        "input": {field: getattr(card.input, field) for field in card.input.__dataclass_fields__},
        "outputs": outputs,
        "licence": card.licence,
        **card.details,
    }
    return yaml.safe_dump(_plain(told), sort_keys=False, allow_unicode=True, width=110)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return {key: _plain(entry) for key, entry in value.items()} if isinstance(value, Mapping) else value
