"""A short name for each source of a run, and what the outputs of each are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pipeline.config import OutputConfig
from pipeline.errors import SinkError
from pipeline.sinks.stdout import is_stdout
from pipeline.sources import ADDRESS
from pipeline.sources.network import masked

PLACE = "{source}"
OWN = ("save", "json", "mqtt", "stream", "trace", "masks", "pictures")  # outputs that each source has for itself


def short_names(specs: Sequence[str]) -> list[str]:
    """One for each source, fit for a file's name: a clip's own without its ending, an address's host and path.

    Names that come twice are numbered: `drive`, `drive-2`. A password is in none.
    """
    names: list[str] = []
    for spec in specs:
        plain = name = _short(spec)
        number = 1
        while name in names:
            number += 1
            name = f"{plain}-{number}"
        names.append(name)
    return names


def outputs_for(out: OutputConfig, name: str, sources: int, images: bool = False) -> OutputConfig:
    """The outputs of one source: `{source}` in a path becomes its name.

    Args:
        out: as configured, for all sources.
        name: of the source, see short_names.
        sources: how many the run has.
        images: whether each of them is one image, as where a shell has taken a glob apart.

    Raises:
        SinkError: several sources would be written to the same path.
    """
    own = {}
    for key in OWN:
        path = getattr(out, key)
        if path is None:
            continue
        if sources > 1 and PLACE not in path:
            whole = Path(path)
            like = f"out-{PLACE}.jsonl" if is_stdout(path) else f"{whole.stem}-{PLACE}{whole.suffix}"
            hint = f"put {PLACE} where the name of each belongs, as in {like}"
            if images:
                hint = f"quote the glob, as in 'drive/*.png': then the images are one source; or {hint}"
            shown = masked(path) if ADDRESS.match(path) else path
            raise SinkError(f"{shown} is asked for by {sources} sources", hint=hint)
        own[key] = path.replace(PLACE, name)
    return msgspec.structs.replace(out, **own)


def summary_path(out: OutputConfig, names: Sequence[str]) -> str | None:
    """Where the summary of a run of these sources goes; SinkError where each should have one of its own."""
    path = out.summary
    if path is not None and PLACE in path and len(names) > 1:
        raise SinkError(f"{path}: there is one summary of all {len(names)} sources", hint=f"leave {PLACE} out")
    return None if path is None else path.replace(PLACE, names[0])


def _short(spec: str) -> str:
    if ADDRESS.match(spec):
        address = masked(spec).partition("://")[2].removeprefix("***@")
        text = re.split(r"[?#]", address)[0]
    elif spec.isdecimal():
        text = f"camera{spec}"
    elif re.match(r"(demo|lavfi):", spec):
        text = re.split(r"[=,]", spec)[0] if spec.startswith("lavfi") else "demo"
    else:
        text = Path(spec).stem
    return re.sub(r"[^\w.]+", "-", text).strip("-._") or "source"
