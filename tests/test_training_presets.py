"""Every preset in configs/train runs on pictures laid out as its data sets are, and so does the command."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("torch", reason="no torch here: install the extra `train`")
pytest.importorskip("albumentations", reason="no Albumentations here: install the extra `train`")
pytest.importorskip("safetensors", reason="no safetensors here: install the extra `train`")
pytest.importorskip("matplotlib", reason="no matplotlib here: install the extra `train`")

from engines.training.config import CropConfig, DataConfig, TrainConfig
from pipeline.cli.train import train as command
from pipeline.config_file import config_dirs, dump
from pipeline.workbench.train_config import load_train_config
from pipeline.workbench.training import train

PRESETS = sorted(path for folder in config_dirs() for path in (folder / "train").glob("*.yaml"))
LAYOUTS = {  # data set -> image, label; {s} is the split, {n} the name
    "camvid": ("{s}/{n}.png", "{s}annot/{n}.png"),
    "idd-lite": ("leftImg8bit/{s}/0/{n}_image.jpg", "gtFine/{s}/0/{n}_label.png"),
    "kitti-semantic": ("{s}/image_2/{n}.png", "{s}/semantic/{n}.png"),
    "bdd100k": ("images/10k/{s}/{n}.jpg", "labels/sem_seg/masks/{s}/{n}.png"),
    "cityscapes": ("leftImg8bit/{s}/ulm/{n}_leftImg8bit.png", "gtFine/{s}/ulm/{n}_gtFine_labelIds.png"),
    "folders": ("{s}/images/{n}.png", "{s}/masks/{n}.png"),
}


def lay_out(root: Path, part: DataConfig, count: int = 4) -> None:
    """Pictures of noise whose labels are the first seven that mean something."""
    rng = np.random.default_rng(1)
    first = 7 if part.dataset in ("cityscapes", "kitti-semantic") else 0
    for index in range(count):
        labels = np.kron(rng.integers(first, first + 7, (4, 6), dtype=np.uint8), np.ones((16, 16), np.uint8))
        image = rng.integers(0, 255, (*labels.shape, 3), dtype=np.uint8)
        for split in part.split.split("+"):
            for pattern, pixels in zip(LAYOUTS[part.dataset], (image, labels), strict=True):
                path = root / pattern.format(s=split, n=f"0001TP_{index:03}")
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), pixels)
    if part.dataset == "folders":
        (root / "classes.txt").write_text("".join(f"class {i}\n" for i in range(7)))


def small(part: DataConfig) -> DataConfig:
    """The same, of few and small pictures."""
    options = {"worlds": 2, "count": 2} if part.dataset == "demo" else part.options
    size_hw = (64, 96) if part.size_hw else None
    return msgspec.structs.replace(part, options=options, size_hw=size_hw, repeat=1.0)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_runs(preset: Path, tmp_path: Path) -> None:
    config: TrainConfig = load_train_config(str(preset), ["epochs=1", "batch=2", "machine.workers=0"])
    parts = [part for part in (*config.train, *config.val) if part.dataset != "demo"]
    for part in parts:
        lay_out(tmp_path / part.dataset, part)
    begun = Path(config.net.init).stem if config.net.init else None  # what another preset leaves is embedded, too
    config = msgspec.structs.replace(
        config,
        net=msgspec.structs.replace(config.net, init=begun),
        roots={part.dataset: str(tmp_path / part.dataset) for part in parts},
        train=tuple(map(small, config.train)),
        val=tuple(map(small, config.val)),
        crops=(CropConfig((64, 64)),),
    )
    trained = train(config, tmp_path / "out")
    assert trained.epochs == 1
    assert trained.checkpoint.is_file()
    assert np.isfinite(trained.rows[0]["loss"])
    assert (trained.best_mean_iou is not None) == bool(config.val)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_can_be_printed_and_read_back_and_fits_its_network(preset: Path, tmp_path: Path) -> None:
    from engines.nets import build_net

    config = load_train_config(preset.stem)
    (tmp_path / "again.yaml").write_text(dump(config))
    assert load_train_config(str(tmp_path / "again.yaml")) == config
    stride = build_net(config.net.name, 3, **config.net.options).stride
    assert all(side % stride == 0 for crop in config.crops for side in crop.size_hw)


def test_the_command_trains_pauses_and_goes_on(tmp_path: Path) -> None:
    for split in ("train", "val"):
        lay_out(tmp_path / "data", DataConfig("folders", split=split))
    app = typer.Typer()
    app.command()(command)
    out = tmp_path / "out"
    sets = [f"roots.folders={tmp_path}/data", "epochs=2", "batch=2", "crops=[{size_hw: [64, 64]}]"]
    words = ["--config", "folders", "--out", str(out), *(word for pair in sets for word in ("--set", pair))]
    first = CliRunner().invoke(app, [*words, "--until", "1"])
    assert first.exit_code == 0, first.output
    assert "paused after 1 of 2 epochs" in first.output
    again = CliRunner().invoke(app, words)
    assert "holds a training already" in str(again.exception)
    second = CliRunner().invoke(app, [*words, "--resume"])
    assert second.exit_code == 0, second.output
    assert "epoch 2 of 2: loss" in second.output
    assert "class 6" in second.stdout
    assert load_train_config(str(out / "config.yaml")).epochs == 2
