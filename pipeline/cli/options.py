"""Options that several subcommands share."""

from __future__ import annotations

import re
from typing import Annotated

import typer

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="An ONNX network, or the name of an embedded one or of one of Ultralytics. Twice: a semantic and an "
        "instance network together. Default: the best embedded one.",
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="auto, tensorrt, tensorrt-rtx, onnxruntime-cuda, openvino, onnxruntime-cpu or null.",
    ),
]
Require = Annotated[
    str | None, typer.Option(metavar="NAME|gpu", help="End with an error rather than fall back to another backend.")
]
Unverified = Annotated[
    bool, typer.Option("--unverified", help="Use backends that `dashmask verify` has not passed, or has not seen.")
]
IMGSZ = Annotated[int | None, typer.Option(metavar="PX", help="Long side of the network's input.")]
ConfigFile = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="YAML configuration, or the name of a preset.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="a.b=c", help="Set one key of the configuration; `dashmask config` shows all."),
]


def listed(names: str | None) -> tuple[str, ...] | None:
    """`a,b` -> ("a", "b")."""
    if names is None:
        return None
    return tuple(name.strip() for name in names.split(",") if name.strip())


def milliseconds(option: str, text: str | None) -> float | None:
    """`50ms` or `0.05s` -> 50.0; ConfigError for anything else."""
    from pipeline.errors import ConfigError

    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ms|s)\s*", text)
    if match is None or not float(match[1]):
        raise ConfigError(f"{option} {text}: expected a time over 0", hint=f"for instance {option} 50ms")
    return float(match[1]) * (1e3 if match[2] == "s" else 1)
