"""When something is worth keeping: a small language for `--on`.

    age>200ms                  a frame came out later than that after its capture (ms or s)
    person                     an object of the class, or label pixels of it on 0.1 % of the picture
    person area>2%             ... that covers more of the picture (% or px)
    truck score>0.8 area>1%    ... all of it true of one object
    person count>=3            so many objects of which the rest is true
    "traffic light" score>.5   quotes where a name could be read otherwise
    error                      the run ends with an error

condition = "age" op number ("ms" | "s") | "error" | class {field op number ["%" | "px"]}; op = > >= < <=
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NoReturn

from pipeline.errors import ConfigError

Op = Literal[">", ">=", "<", "<="]
COMPARE: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
)
_FIELDS = ("area", "score", "count")
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"[^"]*")|(?P<number>\d+\.?\d*|\.\d+)|(?P<unit>%|px\b)|(?P<op>>=|<=|>|<)|(?P<word>[^\W\d][\w-]*))"""
)
_EXAMPLES = 'for instance "age>200ms", "person area>2%", "truck score>0.8" or "person count>=3"'


@dataclass(frozen=True, slots=True)
class Bound:
    """One comparison."""

    field: Literal["age", "area", "area_px", "score", "count"]
    op: Op
    value: float  # seconds, share of the picture 0..1, pixels, score 0..1, objects

    def holds(self, measured: float) -> bool:
        """Whether it is true of a number."""
        return COMPARE[self.op](measured, self.value)


@dataclass(frozen=True, slots=True)
class Condition:
    """What is looked for."""

    text: str  # as it was written
    kind: Literal["age", "class", "error"]
    name: str = ""  # of the class
    column: int = 1  # where the name is
    bounds: tuple[Bound, ...] = ()  # of one object, or of the label pixels of the class
    count: Bound | None = None  # of the objects for which the bounds hold


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int  # from 1


def parse(text: str) -> Condition:
    """A condition from its text.

    Raises:
        ConfigError: it is none; names the column.
    """
    tokens = _tokens(text)
    first, second = tokens[0], tokens[1]
    if first.kind == "word" and first.text == "age" and second.kind == "op":
        bound, rest = _bound(text, tokens)
        if rest[0].kind != "end":
            _refuse(text, rest[0], "nothing more behind an age")
        return Condition(text, "age", bounds=(bound,))
    if first.kind == "word" and first.text == "error" and second.kind == "end":
        return Condition(text, "error")
    name, rest = _name(text, tokens)
    bounds: list[Bound] = []
    count: Bound | None = None
    while rest[0].kind != "end":
        here = rest[0]
        bound, rest = _bound(text, rest)
        if bound.field == "age":
            _refuse(text, here, "area, score or count behind a class")
        if bound.field != "count":
            bounds.append(bound)
        elif count is not None:
            _refuse(text, here, "one count")
        else:
            count = bound
    return Condition(text, "class", name, first.column, tuple(bounds), count)


def check_classes(
    conditions: Sequence[Condition],
    objects: Sequence[str],
    labels: Sequence[str],
    looked_for: Sequence[str] | None = None,
) -> None:
    """Check that each class is known, and that what is asked of it can be said.

    Args:
        conditions: as parsed.
        objects: names of the classes of the instance networks of the run.
        labels: of the semantic ones.
        looked_for: those that decode.classes leaves; None: all.

    Raises:
        ConfigError: an unknown class, with the nearest known one; one that is not looked for; score or count of a
            class that has only pixels.
    """
    known = [*objects, *labels]
    for condition in conditions:
        if condition.kind != "class":
            continue
        name, where = condition.name, f"--on {condition.text!r}, column {condition.column}"
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(dict.fromkeys(known))}"
            raise ConfigError(f"{where}: no model here knows the class {name!r}", hint=hint)
        if looked_for is not None and name not in looked_for:
            raise ConfigError(
                f"{where}: {name!r} is not looked for, as decode.classes leaves it out", hint="add it to --classes"
            )
        asked = {bound.field for bound in condition.bounds} | ({"count"} if condition.count else set())
        if name not in objects and asked & {"score", "count"}:
            raise ConfigError(
                f"{where}: {name!r} is known as pixels only, which have no score and are not counted",
                hint="ask for its area, or give an instance network as well",
            )


def _name(text: str, tokens: Sequence[_Token]) -> tuple[str, Sequence[_Token]]:
    """The class, and what follows: the words before the first comparison, or before what could begin one."""
    if tokens[0].kind == "quoted":
        if not tokens[0].text.strip('"'):
            _refuse(text, tokens[0], "a class inside the quotes")
        return tokens[0].text.strip('"'), tokens[1:]
    if tokens[0].kind != "word":
        _refuse(text, tokens[0], "age, error or a class")
    end = 1
    while tokens[end].kind in ("word", "number") and tokens[end + 1].kind != "op" and tokens[end].text not in _FIELDS:
        end += 1
    start, stop = tokens[0].column - 1, tokens[end - 1].column - 1 + len(tokens[end - 1].text)
    return text[start:stop], tokens[end:]


def _bound(text: str, tokens: Sequence[_Token]) -> tuple[Bound, Sequence[_Token]]:
    """One comparison, and what follows."""
    field = tokens[0]
    if field.kind != "word" or field.text not in ("age", *_FIELDS):
        _refuse(text, field, "area, score or count")
    op = tokens[1]
    if op.kind != "op":
        _refuse(text, op, "one of > >= < <=")
    number, unit = tokens[2], tokens[3] if len(tokens) > 3 else tokens[2]
    if number.kind != "number":
        _refuse(text, number, "a number")
    value = float(number.text)
    if field.text == "age":
        if unit.text not in ("ms", "s"):
            _refuse(text, unit, "ms or s")
        if op.text not in (">", ">="):
            _refuse(text, op, "> or >=, as what is late is looked for")
        return Bound("age", op.text, value / 1e3 if unit.text == "ms" else value), tokens[4:]  # type: ignore[arg-type]
    if field.text == "area":
        if unit.text not in ("%", "px"):
            _refuse(text, unit, "% or px")
        if unit.text == "%" and value > 100:
            _refuse(text, number, "at most 100 %")
        named: Literal["area", "area_px"] = "area" if unit.text == "%" else "area_px"
        return Bound(named, op.text, value / 100 if unit.text == "%" else value), tokens[4:]  # type: ignore[arg-type]
    if field.text == "score" and value > 1:
        _refuse(text, number, "a score of 0 to 1")
    if field.text == "count" and not value.is_integer():
        _refuse(text, number, "a whole number of objects")
    return Bound(field.text, op.text, value), tokens[3:]  # type: ignore[arg-type]


def _tokens(text: str) -> list[_Token]:
    """All tokens and an end, twice, so that one can always be looked at behind the last."""
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            quote = ", and a second quote" if text[at] == '"' else ""
            _refuse(text, _Token("", text[at], at + 1), f"a class, a comparison or a number{quote}")
        kind = str(match.lastgroup)
        found.append(_Token(kind, match[kind], match.start(kind) + 1))
        at = match.end()
    end = _Token("end", "the end", len(text) + 1)
    return [*found, end, end]


def _refuse(text: str, token: _Token, expected: str) -> NoReturn:
    found = token.text if token.kind == "end" else repr(token.text)
    raise ConfigError(f"--on {text!r}, column {token.column}: expected {expected}, found {found}", hint=_EXAMPLES)
