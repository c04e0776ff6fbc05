"""`dashmask bench` that cannot measure, is stopped, or finds no room: a sentence, and no figure is lost."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from bench_runs import CPU, bench, figures
from bench_runs import semantic as semantic
from command import dashmask
from flow_parts import no_thread_is_left as no_thread_is_left

import pipeline.bench.case
from pipeline.config import Config
from pipeline.errors import SinkError
from pipeline.networks import Network, networks


def test_what_cannot_be_measured_is_said_in_a_sentence(semantic: Path, clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    empty = {"options": {}, "source": {}, "cases": []}
    other.write_text(json.dumps({"schema": "dashmask bench 1", "machine": {"cpu": "a Z80"}, **empty}))
    old = tmp_path / "schema.json"
    old.write_text(json.dumps({"schema": "dashmask bench 7"}))
    for words, match in (
        ((clip, "--scenario", "thruput"), "there is no scenario `thruput`"),
        ((clip, "-m", tmp_path / "none.onnx"), "none.onnx"),
        ((clip, "-m", semantic, "--backend", "tensorrt"), "tensorrt cannot run colours.onnx"),
        ((clip, "-m", semantic, "--backend", "tensorrt", "--backend", "tensorrt-rtx"), "none of 2 cases can run"),
        ((clip, "-m", semantic, "--compare", other), "was measured on another machine: cpu a Z80"),
        ((clip, "-m", semantic, "--compare", old), "expected the schema `dashmask bench 1`"),
        ((clip, "-m", semantic, "--compare", tmp_path / "no.json"), "no.json: cannot be read"),
        ((clip, "-m", semantic, "--fail-on", "slower"), "--fail-on needs --compare"),
        ((tmp_path / "none.mp4", "-m", semantic), "there is no such file"),
        (("lavfi:testsrc", "-m", semantic), "is live: a benchmark needs the same frames"),
        ((clip, "-m", semantic, *CPU, *CPU, "--trace", tmp_path / "t.json"), "--trace takes one case, these are 2"),
        ((clip, "-m", semantic, "--json", tmp_path / "no" / "b.json"), "there is no folder"),
        ((clip, "-m", semantic, "--json", clip), "is what is read"),
        ((clip, "-m", semantic, "--trace", semantic), "is what is read"),
        ((clip, "-m", semantic, "--json", tmp_path / "x", "--trace", tmp_path / "x"), "is asked for twice"),
        ((clip, "-m", semantic, "--plots", ""), "the name of an output is empty"),
        ((clip, "-m", semantic, "--frames", "-1"), "--frames -1: expected 1 or more"),
        ((clip, "-m", semantic, "--imgsz", "0"), "0 was asked for"),
    ):
        said = bench(*words)
        assert said.code == 2, (words, said)
        assert match in said.err


def test_ctrl_c_keeps_what_was_measured(semantic: Path, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.json"
    words: Sequence[object] = ("bench", clip, "-m", semantic, "--backend", "null", "--output", "scene", "--json", out)
    before = signal.getsignal(signal.SIGINT)

    def interrupt() -> None:
        while signal.getsignal(signal.SIGINT) is before:
            pause.wait(0.01)
        pause.wait(1.0)
        signal.raise_signal(signal.SIGINT)

    pause = threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    said = dashmask(*words, "--seconds", "3000", "--windows", "1000", "--warm-up", "0")
    thread.join()
    assert said.code == 0, said.err
    report = figures(out)
    assert report["interrupted"]
    assert "stopped before its end" in said.err
    assert len(report["cases"][0]["windows"]) < 1000


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SinkError("no space is left")])
def test_what_ends_a_case_costs_no_figure_of_those_before(
    semantic: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    calls: list[Config] = []

    def second_fails(config: Config) -> tuple[Network, ...]:
        calls.append(config)
        if len(calls) == 2:
            raise error
        return networks(config)

    monkeypatch.setattr(pipeline.bench.case, "networks", second_fails)
    out = tmp_path / "b.json"
    backends = ("--backend", "null") * 3
    said = bench(clip, "-m", semantic, *backends, "--output", "scene", "--json", out)
    assert said.code == 0, said.err
    report = figures(out)
    stopped = isinstance(error, KeyboardInterrupt)
    assert report["interrupted"] is stopped
    assert [case["ok"] for case in report["cases"]] == ([True, False] if stopped else [True, False, True])
    assert ("stopped before anything was measured" if stopped else "no space is left") in said.out


def test_a_full_disk_costs_no_figure_that_was_measured(semantic: Path, clip: Path) -> None:
    said = bench(clip, "-m", semantic, "--backend", "null", "--output", "scene", "--json", "/dev/full")
    assert said.code == 2
    assert "/dev/full cannot be written: No space left" in said.err
    assert "frames/s" in said.out


def test_a_trace_of_a_case_that_cannot_run_leaves_an_older_one(semantic: Path, clip: Path, tmp_path: Path) -> None:
    trace = tmp_path / "t.json"
    trace.write_text("older")
    assert bench(clip, "-m", semantic, "--backend", "tensorrt", "--trace", trace).code == 2
    assert trace.read_text() == "older"
    assert [path.name for path in tmp_path.glob("t*")] == ["t.json"]
