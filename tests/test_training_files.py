"""Training leaves weights, a state and curves, reads them again, and tells the files of others apart."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import cv2
import pytest

pytest.importorskip("torch", reason="no torch here: install the extra `train`")
pytest.importorskip("albumentations", reason="no Albumentations here: install the extra `train`")
pytest.importorskip("safetensors", reason="no safetensors here: install the extra `train`")
pytest.importorskip("matplotlib", reason="no matplotlib here: install the extra `train`")

import torch
from tiny_training import config_for, tiny_net
from tiny_training import pictures as pictures

from engines.training import curves
from engines.training.checkpoint import (
    begin_from,
    load_checkpoint,
    load_state,
    read_about,
    read_weights,
    save_checkpoint,
)
from pipeline.errors import ModelError
from pipeline.workbench.training import train


def test_two_epochs_on_16_pictures_leave_weights_state_and_curves(pictures: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    trained = train(config_for(pictures), tmp_path, say=lines.append)
    assert trained.epochs == 2
    assert not trained.stopped_early
    assert "folders train: 16 pictures" in lines
    net, about = load_checkpoint(tmp_path / "tiny.safetensors")
    assert not net.training
    assert about["net"] == "enet"
    assert about["classes"]["names"] == ["red", "green", "blue"]
    assert about["input"]["size_hw"] == [64, 64]
    assert about["input"]["long_side"] == 80  # where it is used, pictures are as large as where it was scored
    assert about["mean_iou"] == trained.best_mean_iou
    assert set(about["iou"]) == {"red", "green", "blue"}
    assert about["data"] == ["folders train, 16 pictures"]
    header, first, second = (tmp_path / "curves.csv").read_text().splitlines()
    assert header.startswith("epoch,lr,loss,")
    assert "val_iou_green" in header
    assert first.startswith("1,")
    assert second.startswith("2,")
    assert cv2.imread(str(tmp_path / "curves.png")).shape[0] > 300
    assert (tmp_path / "state.pt").stat().st_size < 8_000_000


def test_what_training_begins_from_is_told_as_well_with_its_data_and_terms(pictures: Path, tmp_path: Path) -> None:
    before = train(config_for(pictures, epochs=1, terms="for us alone"), tmp_path / "before").checkpoint
    part = {"dataset": "folders", "split": "val"}
    config = config_for(pictures, epochs=1, train=[part], net={"name": "enet", "init": str(before)})
    about = read_about(train(config, tmp_path / "after").checkpoint)
    assert about["data"] == ["folders val, 4 pictures", "folders train, 16 pictures"]
    assert "for us alone" in about["terms"]


def test_a_disk_without_room_is_a_sentence_and_what_was_kept_is_gone_on_with(pictures: Path, tmp_path: Path) -> None:
    train(config_for(pictures), tmp_path, until=1)
    kept = {file: file.read_bytes() for file in tmp_path.iterdir()}
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (len(kept[tmp_path / "state.pt"]) // 2, 10_000, 100):  # for the state, for weights, for neither
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, usual[1]))
        try:
            with pytest.raises(ModelError, match="cannot be written: File too large"):
                train(config_for(pictures), tmp_path, resume=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert {file.name for file in tmp_path.iterdir()} == {file.name for file in kept}
        assert (tmp_path / "state.pt").read_bytes() == kept[tmp_path / "state.pt"]
    assert train(config_for(pictures), tmp_path, resume=True).epochs == 2


def test_fine_tuning_takes_over_what_fits(pictures: Path, tmp_path: Path) -> None:
    from engines.nets import build_net

    torch.manual_seed(1)
    source = build_net("enet", 7)
    save_checkpoint(tmp_path / "seven.safetensors", source, {"classes": {"names": list("abcdefg")}})
    net = build_net("enet", 3)
    taken, of = begin_from(net, tmp_path / "seven.safetensors")
    assert 0.95 * of < taken < of
    weights = read_weights(tmp_path / "seven.safetensors")
    assert sum(torch.equal(value, weights[key]) for key, value in net.state_dict().items()) >= taken
    with pytest.raises(ModelError, match="none of its weights fits"):
        begin_from(tiny_net(), tmp_path / "seven.safetensors")


def test_files_of_others_are_told_apart(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "theirs.safetensors")
    with pytest.raises(ModelError, match="without what we write"):
        load_checkpoint(tmp_path / "theirs.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        load_checkpoint(tmp_path / "broken.safetensors")
    with pytest.raises(ModelError, match="no state to resume from"):
        load_state(tmp_path / "state.pt")


def test_a_state_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"net": Trap()}, tmp_path / "state.pt")
    with pytest.raises(ModelError, match="not a state of training"):
        load_state(tmp_path / "state.pt")
    assert not (tmp_path / "sprung").exists()


def test_curves_are_a_table_and_a_picture(tmp_path: Path) -> None:
    rows = [
        {"epoch": float(i + 1), "lr": 0.1 / (i + 1), "loss": 1 / (i + 1)} | ({"val_mean_iou": i / 9} if i % 2 else {})
        for i in range(8)
    ]
    curves.write_csv(tmp_path / "c.csv", rows)
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert lines[:3] == ["epoch,lr,loss,val_mean_iou", "1,0.1,1,", "2,0.05,0.5,0.111111"]
    curves.draw(tmp_path / "c.png", rows, "a run")
    assert cv2.imread(str(tmp_path / "c.png")).std() > 5
