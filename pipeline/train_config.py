"""Read the configuration of a training run from YAML and `--set`, as strictly as that of a run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec
import yaml

from engines.training.config import TrainConfig
from pipeline.config_file import _parse, _places, _put, config_dirs
from pipeline.errors import ConfigError


def load_train_config(path: str, sets: Sequence[str] = ()) -> TrainConfig:
    """The configuration of a YAML file (or the name of one in `configs/train/`), with `a.b=value` pairs put over it.

    Raises:
        ConfigError: an unknown key, a wrong type, broken YAML; with its line and the nearest right name.
    """
    file = _find(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as YAML text: {error}") from error
    tree = _parse(text, str(file))
    config = _convert(tree, _places(text), str(file))
    for pair in sets:
        _put(tree, pair)
        config = _convert(tree, {}, f"--set {pair}")
    return config


def dump_train_config(config: TrainConfig) -> str:
    """The configuration as YAML that load_train_config takes back."""
    return yaml.safe_dump(msgspec.to_builtins(config), sort_keys=False, allow_unicode=True)


def _find(name: str) -> Path:
    if Path(name).is_file():
        return Path(name)
    presets = {p.stem: p for folder in config_dirs() for p in sorted((folder / "train").glob("*.yaml"))}
    if name in presets:
        return presets[name]
    near = difflib.get_close_matches(Path(name).stem, presets, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(presets))}"
    raise ConfigError(f"{name}: no such configuration file, and no training of that name", hint=hint)


def _convert(tree: dict[str, Any], places: dict[str, int], name: str) -> TrainConfig:
    try:
        return msgspec.convert(tree, TrainConfig)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        path = where.strip("`") or "$"
        unknown = re.fullmatch(r"Object contains unknown field `(.*)`", what)
        hint = ""
        if unknown:
            fields = _fields(path.split(".")[1:])
            path = f"{path}.{unknown[1]}"
            near = difflib.get_close_matches(unknown[1], fields, 1)
            what = f"unknown key `{unknown[1]}`"
            hint = f"did you mean `{near[0]}`?" if near else f"keys here are {', '.join(fields)}"
        line = f" line {places[path]}" if path in places else ""
        place = "" if path == "$" else f"{path.removeprefix('$.')}: "
        raise ConfigError(f"{name}{line}: {place}{what[0].lower()}{what[1:]}", hint=hint) from error


def _fields(path: Sequence[str]) -> list[str]:
    """The keys that a configuration has at a path, whose lists are written `losses[0]`."""

    def struct_in(kind: Any) -> Any:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return kind
        return next(filter(None, map(struct_in, get_args(kind))), None)

    kind: Any = TrainConfig
    for key in path:
        name = key.partition("[")[0]
        kind = struct_in(next(f.type for f in msgspec.structs.fields(kind) if f.name == name))
    return [f.name for f in msgspec.structs.fields(kind)]
