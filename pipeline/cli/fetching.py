"""What `dashmask data fetch` and `dashmask models fetch` do."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.cli.progress import redraws

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.fetch.offers import Kind, Offer

_EVERY_S = 5.0  # a line of progress where there is no terminal


def fetch_offer(
    kind: Kind,
    name: str | None,
    root: str,
    yes: bool,
    table: str | None,
    *,
    unpacked: bool = False,
    sha256: str | None = None,
    unchecked: bool = False,
) -> None:
    """List offers, or bring one.

    Args:
        kind: data or models.
        name: of the offer; None: list them.
        root: the folder that it is brought into.
        yes: the terms are agreed to.
        table: another one than that of configs/fetch.
        unpacked: unpack archives.
        sha256: of a file that the table has none of.
        unchecked: take such a file as it comes.

    Raises:
        DataError: unknown, without a public address, terms not agreed to, nobody vouches for it, or it does not come.
    """
    from dataclasses import replace
    from pathlib import Path

    from rich.console import Console

    from pipeline.cli.progress import say
    from pipeline.errors import DataError
    from pipeline.fetch.download import fetch, file_sha256
    from pipeline.fetch.offers import offered, offers, unpack

    among = offers(Path(table) if table else None, kind)
    console = Console()
    if name is None:
        _list(console, kind, among)
        return
    offer = offered(name, among)
    console.print(
        f"{offer.name}: {offer.what}",
        f"terms: {offer.terms}",
        sep="\n",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    if not yes:
        raise DataError(f"{offer.name} is fetched on these terms only", hint="agree to them with --yes")
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise DataError(f"--sha256 {sha256}: it has 64 hexadecimal digits")
    folder = Path(root).expanduser()
    for download in offer.downloads:
        if download.sha256 is None and sha256 is None and not unchecked:
            raise DataError(
                f"{download.url}: nobody vouches for this file: no sha256 of it is known here",
                hint="give one that you trust with --sha256, or take it as it comes with --unchecked",
            )
        wanted = replace(download, sha256=sha256.lower()) if sha256 is not None else download
        path = fetch(wanted, folder, _Progress(download.name))
        if wanted.sha256 is None:
            runs = "; loading it runs code that is in it" if path.suffix == ".pt" else ""
            say(f"{path}: nobody vouches for it; its sha256 is {file_sha256(path)}{runs}")
        else:
            say(f"{path}: sha256 is right")
        if unpacked and (before := unpack(path, folder)) is not None:
            say(f"{path.name} was unpacked before; to unpack it again remove {before}")


def _list(console: Console, kind: str, among: Mapping[str, Offer]) -> None:
    from rich.markup import escape

    from pipeline.cli.table import plain_table

    shown = plain_table(kind, "what", "size", "terms or where to ask")
    for offer in among.values():
        size = f"{offer.size >> 20} MB" if offer.size else "not known" if offer.downloads else "register"
        said = offer.terms if offer.downloads else f"{offer.terms}; {offer.register}"
        shown.add_row(escape(offer.name), escape(offer.what), size, escape(said))
    console.print(shown)


class _Progress:
    """How far a download is, on stderr."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next_s = 0.0
        self._terminal = redraws()

    def __call__(self, there: int, total: int | None) -> None:
        now_s = time.monotonic()
        if now_s < self._next_s and there != total:
            return
        self._next_s = now_s + (0.2 if self._terminal else _EVERY_S)
        of = f" of {total / 1e6:.1f}" if total else ""
        line = f"{self._name}: {there / 1e6:.1f}{of} MB"
        print(
            f"\r{line}" if self._terminal and there != total else f"\r{line}\n" if self._terminal else line,
            file=sys.stderr,
            end="" if self._terminal else "\n",
            flush=True,
        )
