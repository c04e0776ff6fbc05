"""Training learns, from a teacher as well, stops when it should, and goes on exactly where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="no torch here: install the extra `train`")
pytest.importorskip("albumentations", reason="no Albumentations here: install the extra `train`")
pytest.importorskip("safetensors", reason="no safetensors here: install the extra `train`")
pytest.importorskip("matplotlib", reason="no matplotlib here: install the extra `train`")

import torch
from tiny_training import config_for, fit_tiny, same, tiny_net
from tiny_training import pictures as pictures

from engines.training.checkpoint import load_state, read_about
from engines.training.config import LossConfig, StopConfig
from engines.training.early_stop import EarlyStop
from engines.training.ema import Ema
from engines.training.schedule import decay_groups, lr_factor
from pipeline.datasets import Sample
from pipeline.workbench.training import predict, train


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_is_bit_for_bit_the_same_as_not_interrupted(pictures: Path, tmp_path: Path, precision: str) -> None:
    how = {"epochs": 3, "machine": {"threads": 1, "device": "cpu", "precision": precision}}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config_for(pictures, **how), whole)
    for until in (1, 2, 3):
        torch.manual_seed(until)  # another process would begin with other numbers
        np.random.seed(until)
        train(config_for(pictures, **how), parts, resume=until > 1, until=until)
    assert (whole / "tiny-last.safetensors").read_bytes() == (parts / "tiny-last.safetensors").read_bytes()
    assert (whole / "tiny.safetensors").read_bytes() == (parts / "tiny.safetensors").read_bytes()
    assert same(load_state(whole / "state.pt"), load_state(parts / "state.pt"))


def test_what_resumes_decays_and_averages_as_its_configuration_says(pictures: Path, tmp_path: Path) -> None:
    fit_tiny(pictures, tmp_path, epochs=2, until=1, optimiser={"ema": 0})
    begun = load_state(tmp_path / "state.pt")
    heavy = {"lr": 1e-30, "weight_decay": 1e29, "ema": 0.5}  # each of two steps takes next to a tenth
    fit_tiny(pictures, tmp_path, epochs=2, resume=True, optimiser=heavy)
    ended = load_state(tmp_path / "state.pt")
    kernel = "0.weight"
    assert ended["net"][kernel].abs().sum() < 0.97 * begun["net"][kernel].abs().sum()
    low, high = (state["net"][kernel].abs().sum() for state in (ended, begun))
    assert low < ended["ema"]["net"][kernel].abs().sum() < high  # no average of what the net began as


def test_colours_are_learned(pictures: Path, tmp_path: Path) -> None:
    plain = {"scale": [1, 1], "light": 0, "style": 0, "colour": 0, "gray": 0, "weather": 0, "noise": 0}
    trained = fit_tiny(pictures, tmp_path, epochs=30, augment=plain, optimiser={"lr": 0.03, "ema": 0.9})
    losses = [row["loss"] for row in trained.rows]
    assert losses[-1] < losses[0] / 3


def test_it_stops_when_validation_no_longer_rises(pictures: Path, tmp_path: Path) -> None:
    scores = [0.1, 0.3, 0.305, 0.2, 0.29, 0.9]
    stop = {"patience": 3, "min_delta": 0.01}
    trained = fit_tiny(pictures, tmp_path, scores, epochs=9, stop=stop)
    assert trained.stopped_early
    assert trained.epochs == 5  # the last rise worth the name was in epoch 2
    assert (trained.best_epoch, trained.best_mean_iou) == (3, 0.305)
    assert read_about(trained.checkpoint)["epoch"] == 3
    again = fit_tiny(pictures, tmp_path, [1.0], epochs=9, stop=stop, resume=True)
    assert again.stopped_early
    assert again.epochs == 5


def test_between_validations_the_best_is_not_replaced(pictures: Path, tmp_path: Path) -> None:
    trained = fit_tiny(pictures, tmp_path, [0.5, 0.4], epochs=4, validate_every=2)
    assert read_about(trained.checkpoint)["epoch"] == 2
    assert read_about(tmp_path / "tiny-last.safetensors")["epoch"] == 4


def test_without_patience_it_never_stops_early() -> None:
    stop = EarlyStop(StopConfig())
    assert stop.seen(0, 0.5)
    assert not stop.seen(1, 0.4)
    stop.seen(1000, 0.3)
    assert not stop.over()


def test_patience_that_is_shorter_than_the_way_to_the_next_score_waits_for_it(pictures: Path, tmp_path: Path) -> None:
    scores = [0.1, 0.3, 0.2]
    trained = fit_tiny(pictures, tmp_path, scores, epochs=12, validate_every=3, stop={"patience": 2})
    assert trained.stopped_early
    assert (trained.best_epoch, trained.epochs) == (6, 9)


def test_the_rate_rises_then_falls_along_a_cosine() -> None:
    factors = [lr_factor(step, 110, 10, 0.1) for step in range(110)]
    assert factors[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert factors[10] == pytest.approx(1)
    assert factors[60] == pytest.approx(0.55)
    assert lr_factor(110, 110, 10, 0.1) == pytest.approx(0.1)


def test_norms_slopes_and_biases_do_not_decay() -> None:
    net = tiny_net()
    kernels, others = decay_groups(net, 0.1)
    assert [p.ndim for p in kernels["params"]] == [4, 4]
    assert (kernels["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert len(others["params"]) == 5


def test_the_average_is_of_weights_and_of_norms_buffers() -> None:
    net = tiny_net()
    ema = Ema(net, 0.9)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with torch.no_grad():
        net[0].weight += 1
    net.train()(torch.randn(2, 3, 8, 8) * 5)
    ema.update(net)
    after, now = ema.net.state_dict(), net.state_dict()
    for key in ("0.weight", "1.running_var"):  # the first step's decay is 1/10
        assert torch.allclose(after[key], before[key] * 0.1 + now[key] * 0.9)
    assert int(after["1.num_batches_tracked"]) == 1


def test_a_loss_acts_in_its_epochs_alone(pictures: Path, tmp_path: Path) -> None:
    early, late = LossConfig("mse", until_epoch=1), LossConfig("dice", weight=100, from_epoch=1)
    first, second = fit_tiny(pictures, tmp_path, epochs=2, losses=(early, late)).rows
    assert first["loss"] < 1 < 10 < second["loss"]


def test_a_prediction_has_the_pictures_size_whatever_the_stride() -> None:
    rng = np.random.default_rng(0)
    group = [
        Sample(str(i), rng.integers(0, 255, (h, 30, 3), dtype=np.uint8), np.zeros((h, 30), np.uint8))
        for i, h in enumerate((21, 21, 16, 21, 21))
    ]

    def brightest(images: Any) -> Any:
        assert all(side % 8 == 0 for side in images.shape[1:3])
        return images.permute(0, 3, 1, 2).float()

    found = list(predict(brightest, group, 8))
    for sample, labels in zip(group, found, strict=True):
        assert (labels == sample.image[:, :, ::-1].argmax(2)).all()


def test_a_student_learns_from_a_teacher(pictures: Path, tmp_path: Path) -> None:
    train(config_for(pictures, epochs=1), tmp_path / "teacher")
    teacher = str(tmp_path / "teacher/tiny.safetensors")
    alone = train(config_for(pictures, epochs=1), tmp_path / "alone")
    config = config_for(pictures, epochs=1, distil={"teacher": teacher, "weight": 3.0})
    taught = train(config, tmp_path / "taught")
    assert taught.rows[0]["loss"] > alone.rows[0]["loss"]  # the same and KL to the teacher on top
