"""A model card as YAML: its keys and their types, and errors that name the line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
import yaml

from pipeline.errors import ModelError

Side = Annotated[int, msgspec.Meta(ge=1)]
Level = Annotated[int, msgspec.Meta(ge=0, le=255)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class ClassYaml(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One class, where its colour is stated."""

    name: str
    colour: tuple[Level, Level, Level] | None = None  # R, G, B


class InputYaml(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """pipeline.types.InputSpec, as far as the card states it."""

    name: str | None = None
    size_hw: tuple[Side | None, Side | None] | None = None
    stride: Side | None = None
    long_side: Side | None = None
    layout: Literal["nchw", "nhwc"] | None = None
    dtype: Literal["float32", "float16", "uint8"] | None = None
    colour: Literal["rgb", "bgr"] | None = None
    scale: Positive | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[Positive, Positive, Positive] | None = None
    fit: Literal["letterbox", "stretch"] | None = None
    pad: Level | None = None


class CardYaml(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A card. What is for people (source, training_data, accuracy, details) may hold anything."""

    family: str
    classes: str | list[str | ClassYaml]  # the name of a table, or every class in the network's order
    name: str | None = None
    input: InputYaml = InputYaml()
    outputs: list[str] = []
    licence: str | None = None
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None
    source: Any = None
    training_data: Any = None
    accuracy: Any = None
    details: dict[str, Any] = {}
    verify: dict[Literal["f32", "fp16", "bf16", "int8"], dict[str, float]] = {}  # limits other than the usual ones


def parse_card(text: str, where: str) -> CardYaml:
    """A card from its YAML.

    Args:
        text: YAML.
        where: the file's name, for errors.

    Raises:
        ModelError: broken YAML, an unknown key or a wrong type; with its line and the nearest right name.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = dict(_lines(root, "$", where))
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2026-13-45
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        raise ModelError(f"{where}{place}: not YAML: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(tree, dict):
        raise ModelError(
            f"{where}: a card holds keys such as `family:`, this is a {type(tree).__name__}",
            hint=f"its keys are {', '.join(_keys(CardYaml))}",
        )
    try:
        return msgspec.convert(tree, CardYaml)
    except msgspec.ValidationError as error:
        raise _refused(str(error), lines, where) from error
    except RecursionError as error:
        raise ModelError(f"{where}: holds itself") from error


def _refused(message: str, lines: dict[str, int], where: str) -> ModelError:
    what, _, path = message.partition(" - at ")
    path = path.strip("`") or "$"
    hint = ""
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        inside = InputYaml if path == "$.input" else ClassYaml if path.startswith("$.classes") else CardYaml
        path, what = f"{path}.{unknown[1]}", f"unknown key `{unknown[1]}`"
        near = difflib.get_close_matches(unknown[1], _keys(inside), 1)
        hint = f"did you mean `{near[0]}`?" if near else f"keys here are {', '.join(_keys(inside))}"
    elif missing := re.fullmatch(r"Object missing required field `(.*)`", what):
        what = f"the key `{missing[1]}` is missing"
    place = f" line {lines[path]}" if path in lines else ""
    key = "" if path == "$" or unknown else f"{path.removeprefix('$.')}: "
    return ModelError(f"{where}{place}: {key}{what[0].lower()}{what[1:]}", hint=hint)


def _keys(kind: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind)]


def _lines(node: yaml.Node | None, path: str, where: str) -> Iterator[tuple[str, int]]:
    """Path of each value, as msgspec writes paths, to its line."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = str(key.value)
            if name in seen:
                raise ModelError(f"{where} line {line}: `{name}` was already given in line {seen[name]}")
            seen[name] = line
            yield f"{path}.{name}", line
            yield from _lines(value, f"{path}.{name}", where)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield f"{path}[{index}]", value.start_mark.line + 1
            yield from _lines(value, f"{path}[{index}]", where)
