"""YAML as people mean it, and where each key of it stands."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from pipeline.errors import ConfigError

_MOST_KEYS = 10_000  # of a configuration, aliases counted as often as they are used
_DEEPEST = 50
_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(0|[1-9][\d_]*|0x[\da-fA-F_]+|0b[01_]+)$")
_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
_FLOAT = re.compile(rf"[-+]?(\d[\d_]*\.[\d_]*|\.\d[\d_]*|\.(inf|Inf|INF))$|\.(nan|NaN|NAN)$|{_EXPONENT.pattern}")


class Loader(yaml.SafeLoader):
    """PyYAML's, of YAML 1.2 where that is what people mean.

    1e-3 is a number, which PyYAML takes for text unless it is written 1.0e-3; 023, 1:30 and 2026-11-29 are text,
    which it takes for the numbers 19 and 90 and for a date.
    """


Loader.yaml_implicit_resolvers = {
    first: [one for one in known if one[0].removeprefix(_TAG) not in ("int", "float", "timestamp")]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+.0123456789"))


class _Dumper(yaml.SafeDumper):
    """Puts in quotes what either reader would take for something else."""


_Dumper.add_implicit_resolver(f"{_TAG}float", _EXPONENT, list("-+.0123456789"))


def dumped(plain: Any) -> str:
    """As YAML that `parsed` takes back."""
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)


def parsed(text: str, name: str) -> dict[str, Any]:
    """Keys and values; ConfigError, beginning with `name`, where they are something else."""
    try:
        tree = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = str(getattr(error, "problem", error)).partition("\n")[0]
        raise ConfigError(f"{name}{line}: not YAML: {problem}") from error
    except RecursionError:
        raise _too_much(name) from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{name}: expected keys such as `render:`, found a {type(tree).__name__}")
    return tree


def places(text: str, name: str) -> dict[str, int]:
    """Path of each key, as msgspec writes paths, to its line; ConfigError where a key is there twice."""
    found: dict[str, int] = {}

    def walk(node: yaml.Node | None, path: str, depth: int) -> None:
        if len(found) > _MOST_KEYS or depth > _DEEPEST:
            raise _too_much(name)
        for inner, child, line in _children(node, path, name):
            found[inner] = line
            walk(child, inner, depth + 1)

    walk(yaml.compose(text, Loader=Loader), "$", 0)
    return found


def _children(node: yaml.Node | None, path: str, name: str) -> Iterator[tuple[str, yaml.Node, int]]:
    """Path, node and line of what a node holds."""
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in keys:
                raise ConfigError(f"{name} line {line}: `{key.value}` is there twice", hint="keep one of them")
            keys.add(key.value)
            yield f"{path}.{key.value}", value, line
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield f"{path}[{index}]", value, value.start_mark.line + 1


def _too_much(name: str) -> ConfigError:
    return ConfigError(f"{name}: nested too deeply, or too large", hint="`dashmask config` shows what it may hold")
