"""Read a configuration from YAML and `--set`, strictly, naming the place of whatever is wrong."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
import yaml

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.yaml_text import Loader, dumped, parsed, places

C = TypeVar("C", bound=msgspec.Struct)
_NOTHING = ("", "~", "null", "Null", "NULL")


def config_dirs() -> tuple[Path, ...]:
    """Where presets and cards lie: beside the packages in a checkout, inside `pipeline` once installed."""
    here = Path(__file__).resolve().parent
    return tuple(folder for folder in (here / "configs", here.parent / "configs") if folder.is_dir())


def load(
    path: str | None = None,
    sets: Sequence[str] = (),
    options: Mapping[str, object] | None = None,
    defaults: Mapping[str, object] | None = None,
) -> Config:
    """The configuration of a YAML file (or the name of a preset) with other words put over it.

    Args:
        path: a file, or the name of a preset in `configs/`.
        sets: `a.b=value` pairs, the value in YAML; these go over the file.
        options: dotted key -> value, None where nothing was said; these go over both.
        defaults: dotted key -> value; the file goes over these.

    Raises:
        ConfigError: an unknown key, a wrong type, broken YAML; with its line and the nearest right name.
    """
    return load_as(Config, path, sets, options, defaults=defaults)


def load_as(
    kind: type[C],
    path: str | None = None,
    sets: Sequence[str] = (),
    options: Mapping[str, object] | None = None,
    folder: str = ".",
    defaults: Mapping[str, object] | None = None,
) -> C:
    """As `load`, for a configuration of another kind, whose presets lie in that folder of `configs/`."""
    file = _find(path, folder) if path is not None else None
    text = ""
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: cannot be read as YAML text: {error}") from error
    tree = parsed(text, str(file))
    lines = places(text, str(file))
    _leave_empty(kind, tree)
    _convert(kind, tree, lines, str(file))
    for pair in sets:
        _put(tree, pair, kind)
        _convert(kind, tree, {}, f"--set {pair}")
    for key, value in (options or {}).items():
        if value is not None:
            *parents, last = key.split(".")
            _inner(tree, parents, key)[last] = value
    for key, value in (defaults or {}).items():
        *parents, last = key.split(".")
        _inner(tree, parents, key).setdefault(last, value)
    return _convert(kind, tree, {}, "configuration")


def dump(config: msgspec.Struct) -> str:
    """The configuration as YAML that `load` takes back."""
    return dumped(msgspec.to_builtins(config))


def _find(name: str, inside: str) -> Path:
    path = Path(name)
    if path.is_file():
        return path
    presets = {p.stem: p for folder in config_dirs() for p in sorted((folder / inside).glob("*.yaml"))}
    if name in presets:
        return presets[name]
    near = difflib.get_close_matches(path.stem, presets, 1)
    hint = f"did you mean the preset {near[0]}?" if near else f"presets are {', '.join(sorted(presets))}"
    raise ConfigError(f"{name}: no such configuration file, and no preset of that name", hint=hint)


def _put(tree: dict[str, Any], pair: str, kind: Any) -> None:
    key, equals, text = pair.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {pair}: expected key=value", hint="for instance --set render.alpha=0.7")
    *parents, last = key.split(".")
    try:
        wanted = _type_at(kind, key.split("."))
    except (StopIteration, TypeError):  # no such key, or one that a table of the user's own has
        wanted = None
    _inner(tree, parents, f"--set {pair}")[last] = _value(text, wanted, f"--set {pair}")


def _value(text: str, wanted: Any, name: str) -> object:
    """The value in YAML; where text is wanted it is taken as it is: `no`, `null`, `12` and `#00ff00` too."""
    kinds = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
    try:
        value = yaml.load(text, Loader)
    except (yaml.YAMLError, RecursionError) as error:
        if str not in kinds:
            raise ConfigError(f"{name}: the value is not YAML") from error
        return text
    if str not in kinds or isinstance(value, str):
        return value
    return None if type(None) in kinds and text.strip() in _NOTHING else text


def _inner(tree: dict[str, Any], parents: Sequence[str], name: str) -> dict[str, Any]:
    for parent in parents:
        inner = tree.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{name}: `{parent}` has no keys of its own")
        tree = inner
    return tree


def _convert(kind: type[C], tree: dict[str, Any], places: dict[str, int], name: str) -> C:
    try:
        _finite(tree)
        return msgspec.convert(tree, kind)
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply") from None
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        if where.startswith("`key` in "):
            what, where = "a key that is no text", where.removeprefix("`key` in ")
        path = where.strip("`") or "$"
        unknown = re.fullmatch(r"Object contains unknown field `(.*)`", what)
        hint = ""
        if unknown:
            fields = _fields(kind, path.split(".")[1:])
            path = f"{path}.{unknown[1]}"
            near = difflib.get_close_matches(unknown[1], fields, 1)
            what = f"unknown key `{unknown[1]}`"
            hint = f"did you mean `{near[0]}`?" if near else f"keys here are {', '.join(fields)}"
        elif what.startswith("Invalid enum value"):
            hint = f"expected {', '.join(map(str, choices(_type_at(kind, path.split('.')[1:]))))}"
        elif what == "Expected `array`, got `str`":
            hint = "give a list: [one] or [one, another]"
        elif re.match("Expected `str.*(bool|null|int|float)`$", what):
            hint = "put it in quotes: YAML has its own meaning for no, null, 12 and what follows a #"
        elif re.match("Expected `(int|float).*, got `str`", what):
            hint = "a number such as 12 or 0.5, without a unit, a colon or a 0 in front"
        line = f" line {places[path]}" if path in places else ""
        what = what[0].lower() + what[1:]
        place = "" if path == "$" else f"{path.removeprefix('$.')}: "
        raise ConfigError(f"{name}{line}: {place}{what}", hint=hint) from error


def _leave_empty(kind: Any, tree: dict[str, Any]) -> None:
    """Take out sections in which nothing is said, such as one whose lines are all comments."""
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct) and field.name in tree:
            if tree[field.name] is None:
                del tree[field.name]
            elif isinstance(tree[field.name], dict):
                _leave_empty(field.type, tree[field.name])


def _finite(tree: object, path: str = "$") -> None:
    """ValidationError where a number is infinite or none at all, in the words of msgspec, which lets `inf` pass."""
    if isinstance(tree, float) and not math.isfinite(tree):
        raise msgspec.ValidationError(f"Expected a finite number, got {tree} - at `{path}`")
    if isinstance(tree, dict):
        for key, value in tree.items():
            _finite(value, f"{path}.{key}")
    elif isinstance(tree, list | tuple):
        for index, value in enumerate(tree):
            _finite(value, f"{path}[{index}]")


def _fields(kind: Any, path: Sequence[str]) -> list[str]:
    """The keys that a configuration has at a path, whose lists are written `losses[0]`."""
    return [f.name for f in msgspec.structs.fields(_struct(_type_at(kind, path)) if path else kind)]


def _type_at(kind: Any, path: Sequence[str]) -> Any:
    """The type of what stands at a path."""
    for key in path:
        name = key.partition("[")[0]
        kind = next(f.type for f in msgspec.structs.fields(_struct(kind)) if f.name == name)
    return kind


def choices(kind: Any) -> list[Any]:
    """The words of the Literal in a type such as Literal["a", "b"] | None."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [word for inner in get_args(kind) for word in choices(inner)]


def _struct(kind: Any) -> Any:
    """The struct in a type such as tuple[LossConfig, ...] or DistilConfig | None."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    return next(filter(None, map(_struct, get_args(kind))), None)
