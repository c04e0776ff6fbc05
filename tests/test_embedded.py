"""The networks that come with the package: whole, described, and what runs where none is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import dashmask

from engines.card import find_card
from engines.embedded import BEST, FOLDER, FREE, checkpoint, embedded_models
from engines.model_file import find_model
from pipeline.config import Config
from pipeline.errors import ModelError
from pipeline.networks import read_cards

NAMES = sorted(embedded_models())
DEMO = "demo:seed=3,frames=6,size=480x360,fps=2"


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_its_network_is_and_on_what_terms(name: str) -> None:
    card = find_card(name)  # checks the sha256 that the card gives
    assert card.path.parent == FOLDER
    assert card.path.stat().st_size < 3_000_000
    assert card.family == "semantic"
    assert len(card.classes.colours) == len(card.classes) > 10
    assert card.details["training_data"]
    if any("train+val" in part for part in card.details["training_data"]):  # nothing is left to measure it on
        assert not card.details.get("accuracy")
    else:
        assert card.details["accuracy"]["mean_iou"] > 0.2
        assert len(card.details["accuracy"]["iou"]) > 10
    assert " ms at " in card.details["speed"]
    assert (
        card.details["net"] != "enet" or card.details["parameters"] == 363_098
    )  # as published, at CamVid's 11 classes
    free = all(part.startswith("demo") for part in card.details["training_data"])
    assert ("Apache-2.0" in card.licence) == free
    assert ("non-commercial" in card.licence) == (not free)


def test_the_default_and_a_free_one_are_there() -> None:
    assert {BEST, FREE} <= set(NAMES)
    assert "Apache-2.0" in find_card(FREE).licence
    assert (FOLDER / "LICENSE").is_file()


def test_a_name_is_found_and_a_file_of_that_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_model(BEST) == FOLDER / f"{BEST}.onnx"
    monkeypatch.chdir(tmp_path)
    Path(f"{BEST}.onnx").write_bytes(b"mine")
    assert find_model(BEST) == Path(f"{BEST}.onnx")
    with pytest.raises(ModelError, match=f"did you mean {BEST}"):
        find_model(BEST[:-1])


def test_a_folder_called_after_a_network_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(BEST).mkdir()  # `--pictures roadnet-camvid`, say
    assert find_model(BEST) == FOLDER / f"{BEST}.onnx"
    assert checkpoint(BEST) == FOLDER / f"{BEST}.safetensors"
    Path(BEST).rmdir()
    Path(f"{BEST}.onnx").write_bytes(b"mine")
    (card,) = read_cards(Config())
    assert card.path == FOLDER / f"{BEST}.onnx"  # where none is named, nobody's file is meant


def test_a_run_without_a_model_takes_the_best_and_says_its_terms(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    summary, scores = tmp_path / "run.json", tmp_path / "eval.json"
    backend = ("--backend", "onnxruntime-cpu")
    said = dashmask("run", DEMO, "--summary", summary, *backend)
    assert said.code == 0, said.err
    licence = find_card(BEST).licence
    assert f"note: no --model, so {BEST}, trained on {licence}; --model {FREE} is free of such terms" in said.err
    told = json.loads(summary.read_text())
    assert told["models"][0]["name"] == BEST
    mean_iou = told["truth"]["mIoU"]
    assert f"mean IoU {mean_iou:.3f} against the truth of 6 frames" in said.out
    # The same frames, scored by `eval`.
    mapping = ("--mapping", "camvid-on-cityscapes")
    assert dashmask("eval", "--dataset", DEMO, *mapping, "--json", scores, *backend).code == 0
    assert json.loads(scores.read_text())["mIoU"] == pytest.approx(mean_iou)
    assert mean_iou > 0.3


def test_a_network_that_was_asked_for_and_cannot_be_used_shows_in_the_exit_code(tmp_path: Path) -> None:
    said = dashmask("models", BEST, tmp_path / "none.onnx")
    assert (said.code, BEST in said.out) == (1, True)
    assert "cannot be used: " in said.out
    (tmp_path / "broken.onnx").write_text("hello")
    assert dashmask("models", tmp_path).code == 0


def test_models_lists_them_with_their_licences() -> None:
    said = dashmask("models", *NAMES)
    assert said.code == 0
    assert dashmask("models", "show", *NAMES) == said  # `show` stands in the usage line
    for name in NAMES:
        assert name in said.out
    card = dashmask("models", "--card", BEST).out
    assert find_card(BEST).licence in card
    assert "rgb(128, 64, 128)" in card
