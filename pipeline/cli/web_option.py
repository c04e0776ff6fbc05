"""`--web` with or without an address behind it, which no option of Typer can be."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

NOWHERE = ":8765"  # what a bare --web means
_ADDRESS = re.compile(r"(\[[^\]/\s]+\]|[\w.-]*):\d{1,5}|\[[\da-fA-F:.]+\]|localhost|\d+(\.\d+){3}")

Web = Annotated[
    str | None,
    typer.Option(
        "--web",
        metavar="[HOST:PORT]",
        help="Serve a page to watch and the API, at 127.0.0.1:8765 unless said otherwise.",
        rich_help_panel="Live",
    ),
]
Recordings = Annotated[
    str | None,
    typer.Option("--recordings", metavar="DIR", help="Let the page record into this folder.", rich_help_panel="Live"),
]


class WebCommand(TyperCommand):
    """A command whose --web may stand alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give every --web an address."""
        return super().parse_args(ctx, with_address(args))


def with_address(words: list[str]) -> list[str]:
    """The words of a command line, with an address behind each --web that has none."""
    whole: list[str] = []
    for number, word in enumerate(words):
        if word == "--":
            return whole + words[number:]
        whole.append(word)
        if word == "--web" and not _ADDRESS.fullmatch((words[number + 1 :] or [""])[0]):
            whole.append(NOWHERE)
    return whole
