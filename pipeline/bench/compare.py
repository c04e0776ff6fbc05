"""An old report against a new one: faster, slower, or no difference can be claimed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.bench.bench import SCHEMA
from pipeline.bench.interval import Interval, ratio_interval
from pipeline.bench.machine import SAME
from pipeline.bench.usage import OTHER_LIMIT
from pipeline.errors import DataError

LEAST_CLAIM = 0.02  # two runs of the same thing differ by so much for reasons that no window shows
_OPTIONS = ("scenario", "streams", "fps", "output")
_SOURCE = ("spec", "size_hw")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can be said of one figure of one case."""

    label: str
    of: str  # the figure
    verdict: str  # faster, slower, no difference can be claimed
    change: Interval | None  # new over old; None: there are too few windows
    caveats: tuple[str, ...] = ()

    def said(self) -> str:
        """In a sentence."""
        told = f"{self.label}, {self.of}: {self.verdict}"
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
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", hint="check the path") from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON", hint="give a file that `dashmask bench --json` wrote") from error
    schema = report.get("schema") if isinstance(report, dict) else None
    if schema != SCHEMA:
        raise DataError(
            f"{path}: expected the schema `{SCHEMA}`, found `{schema}`", hint="measure again with this version"
        )
    if not {"machine", "options", "source", "cases"} <= set(report):
        raise DataError(f"{path}: parts of the report are missing", hint="measure again")
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


def compare(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Verdict]:
    """A verdict for every figure of every case that both reports have.

    Raises:
        DataError: the source is another one.
    """
    for key in _SOURCE:
        was, now = old["source"].get(key), new["source"].get(key)
        if _plain(was) != _plain(now):
            raise DataError(f"{path} was measured on the source {was}, not {now}", hint="give the same source")
    before = {_key(case["asked"]): case for case in old["cases"] if case["ok"]}
    verdicts = []
    for case in new["cases"]:
        was = before.get(_key(case["asked"]))
        if case["ok"] and was is not None:
            verdicts += _verdicts(was, case, paced=new["options"]["scenario"] in ("live", "multi-stream"))
    return verdicts


def judge(label: str, of: str, old: Sequence[float], new: Sequence[float], *, more_is_faster: bool) -> Verdict:
    """The verdict on one figure, from its windows."""
    change = ratio_interval(new, old)
    if change is None:
        return Verdict(label, of, "no difference can be claimed", None, ("there are too few windows",))
    grown, shrunk = change.low > 1, change.high < 1
    if not (grown or shrunk) or abs(change.value - 1) < LEAST_CLAIM:
        return Verdict(label, of, "no difference can be claimed", change)
    return Verdict(label, of, "faster" if grown == more_is_faster else "slower", change)


def _verdicts(old: Mapping[str, Any], new: Mapping[str, Any], *, paced: bool) -> list[Verdict]:
    figures = [("frames a second", "fps", True), *([("mean age", "age_ms_mean", False)] if paced else [])]
    caveats = _caveats(old, new)
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


def _key(asked: Mapping[str, Any]) -> str:
    return json.dumps(asked, sort_keys=True)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value
