"""The comments of the configuration's keys, as they stand in its source, beside the keys of its YAML."""

from __future__ import annotations

import ast
import inspect
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import yaml

from pipeline.config_file import choices, dump

_KEY = re.compile(r"( *)(\w+):(?: |$)")
_PYTHON = {"None": "null", "True": "true", "False": "false"}


def commented(config: msgspec.Struct) -> str:
    """The configuration as YAML that `load` takes back, with what is said of each key.

    A section has the first sentence of its docstring. Where the source is not there, or a value has several lines
    that no comment can stand in, it is the YAML alone.
    """
    text = dump(config)
    said = dict(_said(type(config)))
    path: list[str] = []
    lines = []
    for line in text.splitlines():
        if key := _KEY.match(line):
            path[len(key[1]) // 2 :] = [key[2]]
            comment = said.get(".".join(path))
            line += f"  # {comment}" if comment else ""
        lines.append(line)
    whole = "\n".join(lines) + "\n"
    return whole if yaml.safe_load(whole) == yaml.safe_load(text) else text


def _said(kind: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, str]]:
    """Dotted key -> what is said of it, for a section and those in it."""
    comments = _comments(kind)
    for field in msgspec.structs.fields(kind):
        key = f"{path}{field.name}"
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield key, (field.type.__doc__ or "").partition("\n")[0]
            yield from _said(field.type, f"{key}.")
            continue
        words = [_in_yaml(comments.get(field.name, ""))]
        if names := choices(field.type):
            words.append(f"({', '.join(map(str, names[:-1]))} or {names[-1]})")
        yield key, " ".join(filter(None, words))


def _comments(kind: type) -> Mapping[str, str]:
    """The comment of each field of a class, from its source; none where that is not there."""
    try:
        source = inspect.getsource(sys.modules[kind.__module__])
    except (OSError, KeyError):
        return {}
    at = {
        token.start[0]: token.string.partition("# fmt:")[0].strip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    whole: Any = next(node for node in ast.parse(source).body if getattr(node, "name", "") == kind.__name__)
    fields = (node for node in whole.body if isinstance(node, ast.AnnAssign))
    return {
        ast.unparse(node.target): " ".join(
            at[line] for line in range(node.lineno, (node.end_lineno or 0) + 1) if line in at
        )
        for node in fields
    }


def _in_yaml(comment: str) -> str:
    return re.sub(r"\b(None|True|False)\b", lambda word: _PYTHON[word[0]], comment)
