"""What `dashmask data fetch` does."""

from __future__ import annotations

import sys
import time

_EVERY_S = 5.0  # a line of progress where there is no terminal


def fetch_offer(name: str | None, root: str, yes: bool, unpacked: bool, table: str | None) -> None:
    """List offers, or bring one.

    Raises:
        DataError: unknown, without a public address, terms not agreed to, or it does not come.
    """
    from pathlib import Path

    from rich.console import Console
    from rich.markup import escape

    from pipeline.cli.progress import say
    from pipeline.errors import DataError
    from pipeline.fetch.download import fetch
    from pipeline.fetch.offers import offered, offers, unpack

    among = offers(Path(table) if table else None)
    console = Console()
    if name is None:
        from pipeline.cli.table import plain_table

        shown = plain_table("data", "what", "size", "terms or where to ask")
        for offer in among.values():
            size = f"{offer.size >> 20} MB" if offer.downloads else "register"
            said = offer.terms if offer.downloads else f"{offer.terms}; {offer.register}"
            shown.add_row(escape(offer.name), escape(offer.what), size, escape(said))
        console.print(shown)
        return
    offer = offered(name, among)
    console.print(f"{offer.name}: {offer.what}", f"terms: {offer.terms}", sep="\n", soft_wrap=True, highlight=False)
    if not yes:
        raise DataError(f"{offer.name} is fetched on these terms only", hint="agree to them with --yes")
    folder = Path(root).expanduser()
    for download in offer.downloads:
        path = fetch(download, folder, _Progress(download.name))
        say(f"{path}: sha256 is right")
        if unpacked:
            unpack(path, folder)


class _Progress:
    """How far a download is, on stderr."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next_s = 0.0
        self._terminal = sys.stderr.isatty()

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
