"""Read a configuration from YAML and `--set`, strictly, naming the place of whatever is wrong."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
import yaml

from pipeline.config import Config
from pipeline.errors import ConfigError

C = TypeVar("C", bound=msgspec.Struct)


class _Loader(yaml.SafeLoader):
    """PyYAML's, but 1e-3 is a number, as in YAML 1.2: PyYAML takes it for text unless it is written 1.0e-3."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


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
    tree = _parse(text, str(file))
    _convert(kind, tree, _places(text, str(file)), str(file))
    for pair in sets:
        _put(tree, pair)
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
    plain = msgspec.to_builtins(config)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


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


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        tree = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{name}{line}: not YAML: {getattr(error, 'problem', error)}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{name}: expected keys such as `render:`, found a {type(tree).__name__}")
    return tree


def _places(text: str, name: str) -> dict[str, int]:
    """Path of each key, as msgspec writes paths, to its line; ConfigError where a key is there twice."""

    def walk(node: yaml.Node | None, path: str) -> Iterator[tuple[str, int]]:
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if key.value in keys:
                    line = key.start_mark.line + 1
                    raise ConfigError(f"{name} line {line}: `{key.value}` is there twice", hint="keep one of them")
                keys.add(key.value)
                yield f"{path}.{key.value}", key.start_mark.line + 1
                yield from walk(value, f"{path}.{key.value}")
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                yield f"{path}[{index}]", value.start_mark.line + 1
                yield from walk(value, f"{path}[{index}]")

    return dict(walk(yaml.compose(text, Loader=_Loader), "$"))


def _put(tree: dict[str, Any], pair: str) -> None:
    key, equals, value = pair.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {pair}: expected key=value", hint="for instance --set render.alpha=0.7")
    *parents, last = key.split(".")
    try:
        _inner(tree, parents, f"--set {pair}")[last] = yaml.load(value, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {pair}: the value is not YAML") from error


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
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
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
            hint = f"expected {', '.join(map(str, _choices(_type_at(kind, path.split('.')[1:]))))}"
        elif what == "Expected `array`, got `str`":
            hint = "give a list: [one] or [one, another]"
        line = f" line {places[path]}" if path in places else ""
        what = what[0].lower() + what[1:]
        place = "" if path == "$" else f"{path.removeprefix('$.')}: "
        raise ConfigError(f"{name}{line}: {place}{what}", hint=hint) from error


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


def _choices(kind: Any) -> list[Any]:
    """The words of the Literal in a type such as Literal["a", "b"] | None."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [word for inner in get_args(kind) for word in _choices(inner)]


def _struct(kind: Any) -> Any:
    """The struct in a type such as tuple[LossConfig, ...] or DistilConfig | None."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    return next(filter(None, map(_struct, get_args(kind))), None)
