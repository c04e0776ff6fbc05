"""Run the command inside this process, as a user would type it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str


def dashmask(*words: object) -> Said:
    """`dashmask WORDS...`, its exit code and its output."""
    import contextlib
    import io

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["dashmask", *map(str, words)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def scored(folder: Path, *words: object) -> dict[str, Any]:
    """What `dashmask score WORDS...` writes as JSON; `folder`: where it may."""
    said = dashmask("score", *words, "--json", folder / "o.json")
    assert said.code == 0, said.err
    what: dict[str, Any] = json.loads((folder / "o.json").read_text())
    return what
