"""`--log json` where a run fails: its error is a line like all others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import dashmask

CPU = ("--backend", "onnxruntime-cpu")


def test_an_error_is_a_line_of_the_log_and_nothing_else(tmp_path: Path) -> None:
    said = dashmask("run", tmp_path / "none.mp4", "--log", "json", *CPU)
    lines = [json.loads(line) for line in said.err.splitlines()]
    assert (said.code, said.out, lines[-1]["event"], lines[-1]["level"]) == (2, "", "failed", "error")
    assert "there is no such file" in lines[-1]["text"]
    assert "traceback" not in lines[-1]
    said = dashmask("run", "demo", "--log", "jsn")
    assert (said.code, "expected text or json" in said.err) == (2, True)


def test_a_defect_keeps_its_traceback_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*told: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("pipeline.run.run", broken)
    said = dashmask("run", "demo", "--log", "json")
    (line,) = map(json.loads, said.err.splitlines())
    assert said.code == 1
    assert "KeyError: 'a defect'" in line["traceback"]
