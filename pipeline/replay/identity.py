"""What a data set is made of: the networks, the options and the versions that its rows depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from pipeline import __version__
from pipeline.config import Config, OutputConfig, TrackConfig
from pipeline.errors import ConfigError, SinkError
from pipeline.networks import Network
from pipeline.replay.schema import SCHEMA_VERSION
from pipeline.sinks.outputs import write_whole

FILE = "dataset.json"
_NOT_OF_THE_ROWS = ("model", "render", "output", "flow")  # sections; the networks are told apart by their bytes
_PACKAGES = ("av", "numpy", "opencv-python", "pyarrow")
_OF_BACKEND = {"openvino": ("openvino",), "tensorrt": ("tensorrt",), "tensorrt-rtx": ("tensorrt-rtx",)}


def identity(config: Config, nets: Sequence[Network]) -> dict[str, Any]:
    """The provenance of every row, as JSON holds it; the same on every worker, or they may not work together."""
    plain = msgspec.to_builtins(config)
    options = {name: section for name, section in plain.items() if name not in _NOT_OF_THE_ROWS}
    options["backend"] = [
        {"name": backend.name, "precision": backend.precision, "way": backend.way}
        for backend in (net.selection.backend for net in nets)
    ]
    packages = set(_PACKAGES)
    for net in nets:
        name = net.selection.backend.name
        packages |= set(_OF_BACKEND.get(name, ("onnxruntime", "onnxruntime-gpu") if "onnx" in name else ()))
    found = {"dashmask": __version__, **{name: _version(name) for name in sorted(packages)}}
    return {
        "schema": SCHEMA_VERSION,
        "models": [_model(net) for net in nets],
        "options": options,
        "versions": {name: number for name, number in found.items() if number},
    }


def _model(net: Network) -> dict[str, Any]:
    card = net.card
    spec = msgspec.to_builtins(card.input)
    named = {"name": card.name, "sha256": card.sha256, "family": card.family, "licence": card.licence}
    return {**named, "classes": list(card.classes.names), "input": spec}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def claim(folder: Path, mine: Mapping[str, Any]) -> None:
    """Make a folder the home of this data set, or see that it is already.

    Raises:
        SinkError: it holds a data set of another schema, model, option or version; nothing in it is touched.
    """
    file = folder / FILE
    if not file.exists():
        write_whole(file, (json.dumps(mine, indent=1, sort_keys=True) + "\n").encode())
        return
    try:
        theirs = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SinkError(f"{file} is damaged", hint="write into a new folder") from None
    if unlike := difference(theirs, json.loads(json.dumps(mine))):
        raise SinkError(
            f"{folder} holds a data set of another kind: {unlike}",
            hint="write into a new folder, or use what it was made with",
        )


def difference(theirs: Any, mine: Any, where: str = "") -> str:
    """The first place where two identities differ, in words; "" where they are the same."""
    if isinstance(theirs, dict) and isinstance(mine, dict):
        keys = sorted(set(theirs) | set(mine), key=lambda key: (key != "schema", key != "models", key))
        found = (
            difference(theirs.get(key), mine.get(key), f"{where}.{key}" if where else key)
            for key in keys
            if theirs.get(key) != mine.get(key)
        )
        return next(found, "")
    if isinstance(theirs, list) and isinstance(mine, list) and len(theirs) == len(mine):
        pairs = enumerate(zip(theirs, mine, strict=True))
        return next((difference(a, b, f"{where}[{i}]") for i, (a, b) in pairs if a != b), "")
    return "" if theirs == mine else f"its {where} is {_short(theirs)}, here it is {_short(mine)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def check_config(config: Config) -> None:
    """ConfigError for outputs that a replay does not write: they would be passed over in silence."""
    default = OutputConfig()
    for name in ("save", "json", "masks", "pictures", "summary", "trace", "show"):
        if getattr(config.output, name) != getattr(default, name):
            raise ConfigError(
                f"output.{name} is of `run`; a replay writes into --out", hint="--videos and --masks ask for those"
            )


def stateful(config: Config) -> str:
    """Why the frames of a clip depend on those before them, so that it is not split; "" where they do not."""
    if config.track != TrackConfig():
        return "what is found is carried or followed from frame to frame (track.*)"
    if config.source.frames is not None or config.source.start_s:
        return "only a part of each clip is asked for"
    return ""
