"""What is wrong with a training is said in a sentence: its configuration, what is not installed, its numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("torch", reason="no torch here: install the extra `train`")
pytest.importorskip("albumentations", reason="no Albumentations here: install the extra `train`")
pytest.importorskip("safetensors", reason="no safetensors here: install the extra `train`")
pytest.importorskip("matplotlib", reason="no matplotlib here: install the extra `train`")

from tiny_training import config_for, fit_tiny
from tiny_training import pictures as pictures

from pipeline.errors import ConfigError, DataError, ModelError
from pipeline.workbench.train_config import load_train_config
from pipeline.workbench.training import train


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("losses:\n  - {name: dice, wieght: 2}", r"line 4: losses\[0\]\.wieght: unknown key .*did you mean `weight`"),
        ("optimiser: {lr: 0}", r"optimiser\.lr: expected `float` > 0"),
        ("epoch: 3", r"unknown key `epoch` \(did you mean `epochs`\?\)"),
        ("augment: {flip: 2}", r"augment\.flip: expected `float` <= 1"),
        ("seed: -1", r"seed: expected `int` >= 0"),
        ("std: [0.2, 0, 0.2]", r"std\[1\]: expected `float` > 0"),
        ("augment: {scale: [0, 1]}", r"augment\.scale\[0\]: expected `float` > 0"),
        ("machine: {threads: 100000}", r"machine\.threads: expected `int` <= 512"),
        ("distil: {techer: x}", r"distil\.techer: unknown key .*did you mean `teacher`"),
    ],
)
def test_a_mistake_in_a_configuration_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(f"name: x\ntrain: [{{dataset: folders}}]\n{text}\n")
    with pytest.raises(ConfigError, match=says):
        load_train_config(str(file))


def test_what_is_not_installed_is_named(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "albumentations", None)
    with pytest.raises(ConfigError, match=r"training needs albumentations \(pip install 'dashmask\[train\]'\)"):
        train(config_for(pictures), tmp_path)


def test_mistakes_are_sentences(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\(did you mean (the preset )?enet-camvid\?\)"):
        load_train_config("enet-camvit")
    with pytest.raises(ConfigError, match="does not say where it is"):
        train(config_for(pictures, roots={}), tmp_path)
    with pytest.raises(ConfigError, match=r"roots\.folder: .*did you mean roots\.folders\?"):
        train(config_for(pictures, roots={"folder": str(pictures)}), tmp_path)
    with pytest.raises(DataError, match="no data set 'folder'"):
        train(config_for(pictures, train=[{"dataset": "folder", "root": "x"}]), tmp_path)
    with pytest.raises(ConfigError, match=r"crops\[0\]\.size_hw: \[60, 64\] does not fit the network"):
        train(config_for(pictures, crops=[{"size_hw": [60, 64]}]), tmp_path)
    with pytest.raises(ConfigError, match="warp9 is no device"):
        train(config_for(pictures, machine={"device": "warp9"}), tmp_path)
    with pytest.raises(ConfigError, match="fp16 needs a GPU"):
        train(config_for(pictures, machine={"device": "cpu", "precision": "fp16"}), tmp_path)
    with pytest.raises(ModelError, match="no state to resume from"):
        train(config_for(pictures), tmp_path, resume=True)
    with pytest.raises(ConfigError, match="training has left the numbers"):
        fit_tiny(pictures, tmp_path, optimiser={"lr": 1e30, "warmup_epochs": 0, "clip_norm": 0, "ema": 0}, epochs=9)


def _refused(pictures: Path, out: Path, says: str, **how: Any) -> None:
    with pytest.raises(ConfigError, match=says):
        train(config_for(pictures, **how), out)
    assert not list(out.iterdir())  # nothing half done


@pytest.mark.parametrize("name", ["a/b", "../up", "", "..", "x" * 300, "a\0b"])
def test_a_name_is_that_of_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(msgspec.yaml.encode({"name": name, "train": [{"dataset": "folders"}]}).decode())
    with pytest.raises(ConfigError, match=r"name: .* is no name for a file"):
        load_train_config(str(file))


def test_what_teaches_nothing_is_refused(pictures: Path, tmp_path: Path) -> None:
    folders = {"dataset": "folders", "split": "train"}
    _refused(pictures, tmp_path, "an epoch shows no picture", train=[folders | {"repeat": 0.01}])
    _refused(pictures, tmp_path, r"no pixel of its 16 pictures has a class", train=[folders, folders | {"map": {}}])
    _refused(pictures, tmp_path, r"no pixel of its 4 pictures has a class", val=[folders | {"limit": 4, "map": {}}])
    _refused(pictures, tmp_path, r"map: `red` stands for no class", train=[folders, folders | {"map": {"red": []}}])
    _refused(pictures, tmp_path, "class_weights: .* expected 0 or more", class_weights=[-1, 1, 1])
    once = {"crops": [{"size_hw": [8, 8]}], "batch": 1}
    _refused(pictures, tmp_path, r"crops\[0\]: one picture of 8x8 at a time", **once)


def test_a_teacher_must_see_what_its_student_sees(pictures: Path, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    train(config_for(pictures, net={"name": "roadnet"}), teacher, until=1)
    taught = {"distil": {"teacher": str(teacher / "tiny.safetensors")}}
    (tmp_path / "out").mkdir()
    _refused(pictures, tmp_path / "out", "distil.teacher: .* was trained with the mean", mean=[0, 0, 0], **taught)
    small = {"crops": [{"size_hw": [64, 72]}]}  # of eights, as ENet needs them
    _refused(pictures, tmp_path / "out", r"crops\[0\].size_hw: .* multiples of 16 for roadnet", **small, **taught)


def test_a_state_is_gone_on_with_as_what_it_is_of(pictures: Path, tmp_path: Path) -> None:
    def refused(how: dict[str, Any], says: str) -> None:
        with pytest.raises(ModelError, match=says) as told:
            train(config_for(pictures, **how), tmp_path / "out", resume=True)
        assert len(str(told.value)) < 400

    train(config_for(pictures), tmp_path / "out", until=1)
    refused({"net": {"name": "roadnet"}}, "is of the net enet with the classes red, green, blue, not of roadnet with")
    names = ["blue", "green", "red"]  # as many, in another order
    parts = [{"dataset": "folders", "split": s, "options": {"classes": names}} for s in ("train", "val")]
    refused({"train": parts[:1], "val": parts[1:]}, "not of enet with the classes blue, green, red")
    state = tmp_path / "out" / "state.pt"
    for broken in (b"", b"xx", state.read_bytes()[:5000]):
        state.write_bytes(broken)
        refused({}, "state.pt: not a state of training, or damaged")


def test_weights_that_have_left_the_numbers_are_not_kept(pictures: Path, tmp_path: Path) -> None:
    wild = {"lr": 1e38, "warmup_epochs": 0, "clip_norm": 0, "weight_decay": 1e9}
    fit_tiny(pictures, tmp_path, epochs=2, until=1)
    before = (tmp_path / "state.pt").read_bytes(), (tmp_path / "tiny.safetensors").read_bytes()
    with pytest.raises(ConfigError, match="training has left the numbers"):  # in the last step: no loss shows it
        fit_tiny(pictures, tmp_path, epochs=2, batch=16, optimiser=wild, resume=True)
    assert before == ((tmp_path / "state.pt").read_bytes(), (tmp_path / "tiny.safetensors").read_bytes())
    assert fit_tiny(pictures, tmp_path, epochs=2, resume=True).epochs == 2
