"""Words that others may have written, such as names of files, fit for a terminal and a log."""

from __future__ import annotations


def plain(text: str) -> str:
    """The text with what a terminal would obey spelt out, and further lines set in: none looks like one of ours."""
    lines = text.rstrip().split("\n")
    return "\n    ".join("".join(map(_spelt, line)) for line in lines)


def _spelt(letter: str) -> str:
    return letter if letter.isprintable() or letter == "\t" else letter.encode("unicode_escape").decode()
