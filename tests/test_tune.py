"""What tune measures, what it keeps, and who uses it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny_models
from command import dashmask
from one_backend import close

from engines import probe
from engines.card import read_card
from engines.select import BACKENDS, select
from engines.tune import TuneResult, TuneRow, choose, combinations, tune
from engines.tune_store import store_choice, store_path, stored_choice
from pipeline.types import Card

pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_tuned_choice_is_used_unless_something_else_is_asked_for(fcn_card: Card) -> None:
    store_choice(fcn_card, (384, 640), "f32", {"onnxruntime-cpu": (3, 2), "openvino": (5, 1)}, "onnxruntime-cpu")
    selection = select(fcn_card)
    assert (close(selection), selection.backend.workers, selection.backend.threads) == ("onnxruntime-cpu", 3, 2)
    assert any(tried.ok and "as tuned here" in tried.reason for tried in selection.tried)
    assert select(fcn_card, workers=1).backend.workers == 1
    assert stored_choice(fcn_card, (64, 64), "f32").best is None
    assert stored_choice(fcn_card, None, "bf16").best is None


def test_a_tuned_choice_is_among_cpus_and_keeps_no_gpu_from_running(
    fcn_card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_choice(fcn_card, (384, 640), "f32", {"onnxruntime-cpu": (3, 2)}, "onnxruntime-cpu")
    # As on a machine with a GPU.
    monkeypatch.setattr("engines.select.why_not", lambda name: "" if name == "tensorrt" else probe.why_not(name))
    monkeypatch.setattr("engines.select.BACKENDS", {**BACKENDS, "tensorrt": BACKENDS["null"]})
    selection = select(fcn_card)
    close(selection)
    assert [tried.name for tried in selection.tried if tried.ok] == ["tensorrt"]


def test_a_tuned_choice_is_for_these_very_bytes_and_this_machine(
    fcn_card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_choice(fcn_card, (384, 640), "f32", {"onnxruntime-cpu": (3, 2)}, "onnxruntime-cpu")
    assert stored_choice(fcn_card, None, "f32").best == "onnxruntime-cpu"
    with monkeypatch.context() as patched:
        patched.setattr("engines.tune_store.available_cores", lambda: 1000)
        assert stored_choice(fcn_card, None, "f32").best is None
    tiny_models.fcn(fcn_card.path, metadata={"another": "file"})
    assert stored_choice(read_card(fcn_card.path), None, "f32").best is None


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"format": 1, "choices": 3}', "\xff"])
def test_a_broken_cache_is_ignored_with_a_note(fcn_card: Card, text: str) -> None:
    store_path().parent.mkdir(parents=True)
    store_path().write_bytes(text.encode("latin-1"))
    selection = select(fcn_card, backend="onnxruntime-cpu")
    close(selection)
    assert "is broken" in selection.notes[0]
    assert len(selection.notes) == 1
    store_choice(fcn_card, (384, 640), "f32", {"onnxruntime-cpu": (3, 2)}, "onnxruntime-cpu")
    assert stored_choice(fcn_card, None, "f32").crews == {"onnxruntime-cpu": (3, 2)}


def test_an_entry_that_makes_no_sense_is_ignored_with_a_note(fcn_card: Card) -> None:
    store_choice(fcn_card, (384, 640), "f32", {"onnxruntime-cpu": (3, 2)}, "onnxruntime-cpu")
    whole = json.loads(store_path().read_text())
    for nonsense in (
        5,
        {},
        {"best": "x", "crews": {}},
        {"best": "onnxruntime-cpu", "crews": {"onnxruntime-cpu": {"workers": 0, "threads": "many"}}},
    ):
        (key,) = whole["choices"]
        store_path().write_text(json.dumps({"format": 1, "choices": {key: nonsense}}))
        stored = stored_choice(fcn_card, None, "f32")
        assert stored.best is None
        assert "did not write" in stored.note


def test_those_that_tune_at_the_same_time_lose_nothing_of_each_other(fcn_card: Card) -> None:
    sizes = [(32 * k, 64) for k in range(1, 25)]

    def keep(size: tuple[int, int]) -> str:
        return store_choice(fcn_card, size, "f32", {"openvino": (1, size[0])}, "openvino")

    with ThreadPoolExecutor(8) as pool:
        assert all("stored in" in said for said in pool.map(keep, sizes))
    assert [stored_choice(fcn_card, size, "f32").crews for size in sizes] == [{"openvino": (1, h)} for h, _ in sizes]


def test_a_cache_that_cannot_be_written_is_said(
    fcn_card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert store_choice(fcn_card, (64, 64), "f32", {"null": (1, 1)}, "null").startswith("not stored: ")
    assert stored_choice(fcn_card, (64, 64), "f32").best is None


def test_tune_measures_every_combination_and_keeps_the_best(fcn_card: Card) -> None:
    said: list[str] = []
    result = tune(fcn_card, (64, 64), 0.3, say=said.append)
    names = {row.backend for row in result.rows}
    assert "onnxruntime-cpu" in names
    assert [row.fps for row in result.rows] == sorted((row.fps for row in result.rows), reverse=True)
    assert len(result.rows) == len(names) * len(combinations(probe.available_cores()))
    assert all(row.fps > 0 and row.latency_ms > 0 and row.backend in str(row) for row in result.rows)
    assert said
    stored = stored_choice(fcn_card, (64, 64), "f32")
    assert stored.best == result.best.backend
    assert stored.crews[result.best.backend] == (result.best.workers, result.best.threads)
    assert result.stored == f"stored in {store_path()}"
    assert [file.name for file in store_path().parent.iterdir()] == ["tune.json"]  # no file left over


def test_tune_leaves_the_usual_choice_for_a_clear_gain_only() -> None:
    usual, other = TuneRow("a", 2, 1, 10.0, 0.0, 1.0), TuneRow("a", 1, 2, 12.0, 0.0, 1.0)
    for rates, chosen in (
        ([12, 12, 12, 12, 12], other),
        ([12, 12, 12, 12, 9], other),
        ([12, 12, 12, 9, 9], usual),
        ([10.2, 10.2, 10.2, 10.2, 10.2], usual),
    ):
        assert choose([usual, other], {usual: [10] * 5, other: rates}) is chosen


def test_the_command_says_why_it_does_not_take_the_first_line(
    fcn_card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast, usual = TuneRow("onnxruntime-cpu", 2, 1, 12.0, 3.0, 80.0), TuneRow("openvino", 1, 2, 11.9, 3.0, 40.0)
    for best, said in (
        (fast, "takes onnxruntime-cpu, 2 workers of 1 thread (stored"),
        (usual, "takes openvino, 1 worker of 2 threads; as usual, for nothing was clearly faster (stored"),
    ):
        result = TuneResult((64, 64), (fast, usual), best, (), "stored in tune.json")
        monkeypatch.setattr("engines.tune.tune", lambda *_, result=result, **__: result)
        assert said in dashmask("tune", fcn_card.path).err
    monkeypatch.undo()
    none = dashmask("tune", fcn_card.path, "--seconds", 0)
    assert (none.code, "nothing can be measured" in none.err) == (2, True)


def test_combinations_use_all_cores() -> None:
    assert combinations(1) == [(1, 1)]
    assert combinations(2) == [(1, 2), (2, 1)]
    assert combinations(6) == [(1, 6), (2, 3), (4, 1), (6, 1)]
    assert combinations(16) == [(1, 16), (2, 8), (4, 4), (8, 2)]
