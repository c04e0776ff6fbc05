"""`dashmask models`: what a network is, before it is run."""

from __future__ import annotations

from typing import Annotated

import typer

Paths = Annotated[
    list[str] | None, typer.Argument(metavar="[MODEL]...", help="ONNX files or folders; default: this folder.")
]


def models(paths: Paths = None) -> None:
    """Show the networks of a folder: family, classes, input, licence; and what cannot be used, with the reason.

    Example: [bold]dashmask models ~/networks[/bold]
    """
    from pathlib import Path

    from rich.console import Console
    from rich.markup import escape

    from engines.card import find_card
    from pipeline.cli.table import plain_table
    from pipeline.config_file import config_dirs
    from pipeline.errors import ModelError

    card_dirs = [folder / "cards" for folder in config_dirs()]
    files: list[str] = []
    for name in paths or ["."]:
        folder = Path(name).expanduser()
        files += [str(file) for file in sorted(folder.glob("*.onnx"))] if folder.is_dir() else [name]
    console = Console()
    table = plain_table("model", "family", "classes", "input", "licence")
    refused = []
    for file in files:
        try:
            card = find_card(file, card_dirs=card_dirs)
        except ModelError as error:
            refused.append(str(error))
            continue
        height, width = (side or "free" for side in card.input.size_hw)
        size = "free" if height == width == "free" else f"{width}x{height}"
        detail = f"{size}, {card.input.colour}, {card.input.dtype}"
        table.add_row(escape(file), card.family, str(len(card.classes)), detail, escape(card.licence))
    if table.row_count:
        console.print(table)
    for reason in refused:
        console.print(f"cannot be used: {escape(reason)}", soft_wrap=True)
    if not files:
        console.print("no .onnx file here; name one, or a folder that holds some")
    known = sorted(p.stem for folder in card_dirs for p in folder.glob("*.yaml"))
    console.print(
        f"cards that come with dashmask, for weights you have: {', '.join(known) or 'none'}", soft_wrap=True
    )
