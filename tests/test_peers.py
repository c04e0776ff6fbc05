"""The comparison with peers keeps what was measured whatever side fails, and says which one did and why."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tiny_models import fcn

OWN = ("run", "table", "clips", "peers", "peers.cases")
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """benchmarks/run.py, imported as it is when it is run."""
    others = {name: sys.modules.pop(name) for name in OWN if name in sys.modules}  # tests have clips, too
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield import_module("run")
    for name in OWN:
        sys.modules.pop(name, None)
    sys.modules.update(others)


def played(scripts: Any, monkeypatch: pytest.MonkeyPatch, failing: str, from_round: int = 1) -> dict[str, Any]:
    """A case whose sides say what they measured at once; one of them fails from some round on."""
    case = scripts.Case("net, about 7 objects", Path("a.mp4"), Path("net.onnx"), (384, 640))
    names = {id(side): name for name, side in scripts.sides(case).items()} | {
        id(scripts.CEILING): "the network alone"
    }
    calls: dict[str, int] = {}

    def call(side: Any, case: Any, frames: int | None) -> dict[str, Any]:
        name = names[id(side)]
        calls[name] = calls.get(name, 0) + 1
        if name == failing and calls[name] >= from_round:
            return {"failed": "it broke"}
        said = {"fps": 20.0, "cpu_ms": 50.0, "outside_model_cpu_ms": 9.0, "input_hw": [[384, 640]], "name": name}
        return {**said, "detections": 7.0, "rss_mb": 200.0, "written_mb": 1.0, "does_not": []}

    monkeypatch.setattr(scripts, "call", call)
    found: dict[str, Any] = scripts.compare(case, 3, None)
    return found


@pytest.mark.parametrize("failing", ["dashmask", "the network alone"])
@pytest.mark.parametrize("from_round", [1, 3])
def test_a_case_without_what_all_is_compared_with_is_left_out_and_the_others_stay(
    scripts: Any, monkeypatch: pytest.MonkeyPatch, failing: str, from_round: int
) -> None:
    whole = played(scripts, monkeypatch, "nobody")
    broken = played(scripts, monkeypatch, failing, from_round)
    assert broken["failed"] == f"{failing}: it broke"
    found = json.loads(json.dumps({"quiet": True, "cases": [broken, whole]}))
    for text in (scripts.summary(found), scripts.tables(found)):
        assert f"net, about 7 objects is left out: {failing}: it broke" in text
        assert "20.0" in text


@pytest.mark.parametrize("from_round", [1, 3])
def test_a_peer_that_fails_is_left_out_alone(scripts: Any, monkeypatch: pytest.MonkeyPatch, from_round: int) -> None:
    found = {"quiet": True, "cases": [played(scripts, monkeypatch, "Ultralytics", from_round)]}
    assert "Ultralytics is left out: it broke" in scripts.tables(found)
    assert "| 20.0 |" in scripts.summary(found)


def test_why_a_side_failed_is_its_last_word(scripts: Any, tmp_path: Path) -> None:
    """The network alone, of a file that ONNX Runtime cannot read: a real process."""
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    bad = fcn(tmp_path / "m.onnx")
    bad.write_bytes(bad.read_bytes()[:100])
    case = scripts.Case("net", tmp_path / "a.mp4", bad, (32, 64))
    assert "m.onnx" in scripts.call(scripts.CEILING, case, None)["failed"]
