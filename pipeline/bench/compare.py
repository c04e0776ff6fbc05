"""An old report against a new one: faster, slower, or no difference can be claimed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pipeline.bench.bench import SCHEMA
from pipeline.bench.interval import LEAST, Interval, ratio_interval
from pipeline.bench.machine import SAME
from pipeline.bench.usage import OTHER_LIMIT
from pipeline.errors import DataError

LEAST_CLAIM = 0.02  # two runs of the same thing differ by so much for reasons that no window shows
NO_LONGER = "runs no longer"
FAILING = ("slower", NO_LONGER)
_OPTIONS = ("scenario", "streams", "fps", "output", "frames")
_SOURCE = ("spec", "size_hw")


class _Load(msgspec.Struct):
    share: float


class _Window(msgspec.Struct):
    fps: float | None
    age_ms_mean: float


class _Network(msgspec.Struct):
    sha256: str
    backend: str
    input_hw: list[list[int]]


class _Case(msgspec.Struct):
    """What is looked at of every case."""

    asked: dict[str, Any]
    label: str
    ok: bool


class _Measured(_Case):
    """And of one that could run."""

    windows: list[_Window]
    other_load: _Load
    networks: list[_Network]


class _Report(msgspec.Struct):
    machine: dict[str, Any]
    options: dict[str, Any]
    source: dict[str, Any]
    cases: list[dict[str, Any]]
    settings: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can be said of one figure of one case."""

    label: str
    of: str  # the figure; "": of the case itself
    verdict: str  # faster, slower, no difference can be claimed, runs no longer
    change: Interval | None  # new over old; None: there are too few windows, or none
    caveats: tuple[str, ...] = ()

    def said(self) -> str:
        """In a sentence."""
        told = f"{', '.join(filter(None, (self.label, self.of)))}: {self.verdict}"
        if self.change is not None:
            change = self.change
            told += f" ({change.value:.3f} of the old, {change.low:.3f} to {change.high:.3f})"
        return told + "".join(f"; {caveat}" for caveat in self.caveats)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        change = None if self.change is None else self.change.as_dict()
        return {"case": self.label, "of": self.of, "verdict": self.verdict, "ratio": change, "caveats": self.caveats}


def read_report(path: Path, machine: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A report that `bench --json` wrote.

    Args:
        path: of the file.
        machine: that new figures come from; those of another one are refused.

    Raises:
        DataError: it cannot be read, is of another kind or schema, or was measured on another machine.
    """
    try:
        report = msgspec.json.decode(path.read_bytes())  # which takes no NaN
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", hint="check the path") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON", hint="give a file that `dashmask bench --json` wrote") from error
    schema = report.get("schema") if isinstance(report, dict) else None
    if schema != SCHEMA:
        raise DataError(
            f"{path}: expected the schema `{SCHEMA}`, found `{schema}`", hint="measure again with this version"
        )
    try:
        for case in msgspec.convert(report, _Report).cases:
            msgspec.convert(case, _Measured if msgspec.convert(case, _Case).ok else _Case)
    except msgspec.ValidationError as error:
        raise DataError(f"{path}: parts of the report are missing: {error}", hint="measure again") from error
    for key in SAME if machine is not None else ():
        assert machine is not None
        was, here = report["machine"].get(key), machine.get(key)
        if was != here:
            raise DataError(
                f"{path} was measured on another machine: {key} {was}, here {here}",
                hint="compare what was measured on one machine",
            )
    return dict(report)


def check_alike(
    path: Path, old: Mapping[str, Any], options: Mapping[str, Any], asked: Sequence[Mapping[str, Any]]
) -> None:
    """Before anything is measured anew: does the old report hold the like of it?

    Raises:
        DataError: it was measured with other options, or holds none of the cases that are asked for.
    """
    for key in _OPTIONS:
        if old["options"].get(key) != options.get(key):
            raise DataError(
                f"{path} was measured with {key} {old['options'].get(key)}, not {options.get(key)}",
                hint="give the same options",
            )
    if not {_key(case) for case in asked} & {_key(case["asked"]) for case in old["cases"] if case["ok"]}:
        names = "; ".join(case["label"] for case in old["cases"] if case["ok"])
        raise DataError(
            f"{path} holds none of these cases, but: {names or 'none'}", hint="give the same models and backends"
        )


def check_source(path: Path, old: Mapping[str, Any], source: Mapping[str, Any]) -> None:
    """Was the old report measured on this source?

    Raises:
        DataError: it was not.
    """
    for key in _SOURCE:
        was, now = old["source"].get(key), source.get(key)
        if _plain(was) != _plain(now):
            raise DataError(f"{path} was measured on the source {was}, not {now}", hint="give the same source")


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Verdict]:
    """A verdict for every figure of every case that both reports have, and for each that runs no longer."""
    before = {_key(case["asked"]): case for case in old["cases"] if case["ok"]}
    paced = new["options"]["scenario"] in ("live", "multi-stream")
    changed = _changed(old["settings"], new["settings"]) if "settings" in old else []
    verdicts = []
    for case in new["cases"]:
        was = before.get(_key(case["asked"]))
        if was is None:
            continue
        if case["ok"]:
            verdicts += _verdicts(was, case, changed, paced=paced)
        elif "reason" in case:
            verdicts.append(Verdict(case["label"], "", NO_LONGER, None, (case["reason"],)))
    return verdicts


def judge(label: str, of: str, old: Sequence[float], new: Sequence[float], *, more_is_faster: bool) -> Verdict:
    """The verdict on one figure, from its windows."""
    change = ratio_interval(new, old)
    if change is None:
        return Verdict(
            label, of, "no difference can be claimed", None, (f"there are too few windows, {LEAST} are needed",)
        )
    grown, shrunk = change.low > 1, change.high < 1
    if not (grown or shrunk) or abs(change.value - 1) < LEAST_CLAIM:
        return Verdict(label, of, "no difference can be claimed", change)
    return Verdict(label, of, "faster" if grown == more_is_faster else "slower", change)


def _verdicts(
    old: Mapping[str, Any], new: Mapping[str, Any], changed: Sequence[str], *, paced: bool
) -> list[Verdict]:
    figures = [("frames a second", "fps", True), *([("mean age", "age_ms_mean", False)] if paced else [])]
    caveats = (*_caveats(old, new), *changed)
    made = []
    for of, key, more_is_faster in figures:
        windows = [[window[key] for window in case["windows"] if window[key]] for case in (old, new)]
        found = judge(new["label"], of, *windows, more_is_faster=more_is_faster)
        made.append(Verdict(found.label, found.of, found.verdict, found.change, (*found.caveats, *caveats)))
    return made


def _caveats(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    said = []
    for when, case in (("old", old), ("new", new)):
        share = case["other_load"]["share"]
        if share > OTHER_LIMIT:
            said.append(f"in the {when} run other work took {share * 100:.0f} % of the machine")
    networks = [[(net["sha256"], net["backend"], net["input_hw"]) for net in case["networks"]] for case in (old, new)]
    for what, place in (("weights", 0), ("backend", 1), ("input size", 2)):
        if [net[place] for net in networks[0]] != [net[place] for net in networks[1]]:
            said.append(f"the {what} changed")
    return said


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """A sentence for each setting that is another one; those that are not named were as usual."""
    usual = "as usual"
    return [
        f"{key} is {new.get(key, usual)}, it was {old.get(key, usual)}"
        for key in sorted({*old, *new})
        if _plain(old.get(key)) != _plain(new.get(key))
    ]


def _key(asked: Mapping[str, Any]) -> str:
    return json.dumps(asked, sort_keys=True)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value
