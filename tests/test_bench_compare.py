"""What is said of two benchmarks, and what one may be asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.bench.compare import FAILING, check_alike, check_source, compare, judge, read_report
from pipeline.bench.interval import mean_interval, ratio_interval
from pipeline.bench.options import SCENARIOS, BenchOptions, cases, scenario_named
from pipeline.errors import ConfigError, DataError

# Verdicts


def windows(seed: int, mean: float, noise: float, count: int = 10) -> list[float]:
    return (mean * np.random.default_rng(seed).normal(1, noise, count)).tolist()


def test_ten_percent_less_under_one_percent_of_noise_is_slower_and_the_other_way_round_faster() -> None:
    for seed in range(10):
        old, new = windows(seed, 50, 0.01), windows(seed + 1000, 45, 0.01)
        assert judge("case", "fps", old, new, more_is_faster=True).verdict == "slower"
        assert judge("case", "fps", new, old, more_is_faster=True).verdict == "faster"
        assert judge("case", "age", old, new, more_is_faster=False).verdict == "faster"
        change = judge("case", "fps", old, new, more_is_faster=True).change
        assert change is not None
        assert change.low < change.value < change.high < 1
        assert change.value == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("noise", [0.01, 0.4])
def test_no_difference_is_claimed_where_there_is_none(noise: float) -> None:
    claimed = 0
    for seed in range(60):
        verdict = judge("case", "fps", windows(seed, 50, noise), windows(seed + 1000, 50, noise), more_is_faster=True)
        claimed += verdict.verdict != "no difference can be claimed"
    assert claimed <= 7  # of 60, at 95 %


def test_ten_percent_drown_in_forty_percent_of_noise() -> None:
    verdict = judge("case", "fps", windows(1, 50, 0.4), windows(2, 45, 0.4), more_is_faster=True)
    assert verdict.verdict == "no difference can be claimed"


def test_the_same_windows_give_the_same_interval_and_too_few_give_none() -> None:
    old, new = windows(1, 50, 0.1), windows(2, 45, 0.1)
    assert ratio_interval(new, old) == ratio_interval(new, old)
    assert ratio_interval(old[:5], new) is None
    assert mean_interval(old[:5]) is None
    caveat = "there are too few windows, 6 are needed"
    assert judge("case", "fps", old[:5], new, more_is_faster=True).caveats == (caveat,)


@pytest.mark.parametrize("count", [6, 8])
def test_an_interval_of_95_percent_holds_the_truth_about_so_often(count: int) -> None:
    held = np.zeros(3)
    for seed in range(250):
        old, new = windows(seed, 50, 0.1, count), windows(seed + 1000, 45, 0.1, count)
        intervals = (mean_interval(old), ratio_interval(new, old), ratio_interval(new, old, paired=True))
        for place, (interval, truth) in enumerate(zip(intervals, (50, 0.9, 0.9), strict=True)):
            assert interval is not None
            held[place] += interval.low <= truth <= interval.high
    assert held.min() / 250 >= 0.91


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(1, 100), min_size=6, max_size=12), st.floats(0.1, 10))
def test_windows_that_slow_down_together_have_an_exact_ratio(rates: list[float], ratio: float) -> None:
    interval = ratio_interval([rate * ratio for rate in rates], rates, paired=True)
    assert interval is not None
    assert (interval.low, interval.value, interval.high) == pytest.approx((ratio, ratio, ratio))


# Reports


def report(seed: int, mean: float, **changes: Any) -> dict[str, Any]:
    case = {
        "asked": {"models": ["net"], "backend": "openvino", "long_side": None},
        "label": "net, openvino",
        "ok": True,
        "windows": [{"fps": fps, "age_ms_mean": 1e3 / fps} for fps in windows(seed, mean, 0.01)],
        "other_load": {"share": 0.01},
        "networks": [{"sha256": "ab", "backend": "openvino", "input_hw": [[384, 640]]}],
    }
    return {
        "schema": "dashmask bench 1",
        "machine": {"cpu": "this one", "cores": 2, "gpu": None},
        "options": {"scenario": "live", "streams": 1, "fps": None, "output": "video"},
        "source": {"spec": "a.mp4", "size_hw": [720, 1280]},
        "cases": [{**case, **changes}],
    }


OLD = Path("old.json")


def test_reports_are_compared_case_by_case() -> None:
    old, new = report(1, 50), report(2, 45, other_load={"share": 0.5})
    fps, age = compare(old, new)
    assert (fps.verdict, age.verdict) == ("slower", "slower")
    assert age.change is not None
    assert age.change.value == pytest.approx(50 / 45, abs=0.01)
    assert re.match(r"net, openvino, frames a second: slower \(0\.\d+ of the old, 0\.\d+ to 0\.\d+\)", fps.said())
    assert fps.said().endswith("; in the new run other work took 50 % of the machine")
    other = [{"sha256": "cd", "backend": "openvino", "input_hw": [[384, 640]]}]
    assert compare(old, report(2, 45, networks=other))[0].caveats == ("the weights changed",)


def test_settings_that_differ_are_said_beside_the_verdict() -> None:
    old, new = report(1, 50), report(2, 90)
    carried = {**new, "settings": {"track.carry": 1, "decode.conf": 0.5}}
    said = ("decode.conf is 0.5, it was as usual", "track.carry is 1, it was as usual")
    assert compare({**old, "settings": {}}, carried)[0].caveats == said
    assert compare(carried, {**carried})[0].caveats == ()
    assert compare(old, carried)[0].caveats == ()  # an old report that does not say how it was set


def test_a_case_that_runs_no_longer_is_a_verdict_too() -> None:
    new = report(2, 50)
    failed = {"asked": new["cases"][0]["asked"], "label": "net, openvino", "ok": False}
    (verdict,) = compare(report(1, 50), {**new, "cases": [{**failed, "reason": "out of memory"}]})
    assert verdict.verdict in FAILING
    assert verdict.said() == "net, openvino: runs no longer; out of memory"
    assert compare(report(1, 50), {**new, "cases": [{**failed, "interrupted": True}]}) == []
    assert compare({**new, "cases": [failed]}, report(1, 50)) == []


def test_reports_that_cannot_be_compared_are_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "old.json"

    def refused(what: dict[str, Any], match: str) -> None:
        path.write_text(json.dumps(what))
        with pytest.raises(DataError, match=match):
            read_report(path, report(1, 50)["machine"])

    refused({**report(1, 50), "schema": "dashmask bench 0"}, "expected the schema `dashmask bench 1`, found")
    refused({"frames": 3}, "found `None`")
    other = {"cpu": "another", "cores": 2, "gpu": None}
    refused({**report(1, 50), "machine": other}, "on another machine: cpu another, here this one")
    refused({"schema": "dashmask bench 1"}, "parts of the report are missing")
    path.write_text("fps: 3")
    with pytest.raises(DataError, match="is no JSON"):
        read_report(path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_report(tmp_path / "none.json")
    old, asked = report(1, 50), report(1, 50)["cases"][0]["asked"]
    with pytest.raises(DataError, match="with scenario live, not throughput"):
        check_alike(OLD, old, {**old["options"], "scenario": "throughput"}, [asked])
    with pytest.raises(DataError, match="holds none of these cases, but: net, openvino"):
        check_alike(OLD, old, old["options"], [{**asked, "backend": "null"}])
    with pytest.raises(DataError, match=r"on the source a\.mp4, not b\.mp4"):
        check_source(OLD, old, {"spec": "b.mp4", "size_hw": (720, 1280)})
    with pytest.raises(DataError, match="with frames None, not 30"):
        check_alike(OLD, old, {**old["options"], "frames": 30}, [asked])
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match="is no JSON"):
        read_report(path)


def paths(tree: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield (*above, key)
        yield from paths(tree[key], (*above, key))


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, [None], {"a": 1}, float("nan"), -1.0])
def test_a_report_with_a_part_changed_is_refused_or_compared(tmp_path: Path, value: Any) -> None:
    """Of another version, or edited by hand."""
    new = report(2, 50)
    for at in paths(report(1, 50)):
        old = report(1, 50)
        part: Any = old
        for key in at[:-1]:
            part = part[key]
        part[at[-1]] = value
        (tmp_path / "old.json").write_text(json.dumps(old))
        try:
            read = read_report(tmp_path / "old.json", new["machine"])
            check_alike(OLD, read, new["options"], [case["asked"] for case in new["cases"]])
            check_source(OLD, read, new["source"])
        except DataError:
            continue
        for verdict in compare(read, new):
            json.dumps(verdict.as_dict(), allow_nan=False)


# Options


def test_options_out_of_range_are_refused_in_a_sentence() -> None:
    throughput, live = SCENARIOS["throughput"], SCENARIOS["live"]
    for kind, given_options, match in (
        (throughput, {"fps": 30.0}, "throughput has no pace of its own"),
        (live, {"fps": 0.0}, "--fps 0"),
        (live, {"streams": 3}, "live has one"),
        (throughput, {"windows": 2}, "--windows 2: expected 3"),
        (throughput, {"seconds": 0.0}, "--seconds 0"),
        (throughput, {"output": "film"}, "expected video, picture or scene"),
        (throughput, {"stable_percent": 0.0}, "--stable 0"),
        (throughput, {"warm_up_s": -1.0}, "--warm-up -1"),
    ):
        with pytest.raises(ConfigError, match=match):
            BenchOptions(kind, **given_options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="did you mean single-stream"):
        scenario_named("singel-stream")


def test_cases_are_every_combination_and_a_plus_is_two_networks_on_the_same_frames() -> None:
    made = list(cases(["a.onnx", "b.onnx+c.onnx"], ["openvino", "null"], [320, 640]))
    assert len(made) == 8
    assert {case.models for case in made} == {("a.onnx",), ("b.onnx", "c.onnx")}
    (best,) = cases([], [], [])
    assert (best.models, best.backend, best.long_side) == ((), "auto", None)
