"""Training is fed what was asked for: pictures changed and counted, films held out, classes mapped or in sets."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch", reason="no torch here: install the extra `train`")
pytest.importorskip("albumentations", reason="no Albumentations here: install the extra `train`")
pytest.importorskip("safetensors", reason="no safetensors here: install the extra `train`")
pytest.importorskip("matplotlib", reason="no matplotlib here: install the extra `train`")

import torch
from tiny_training import config_for, same
from tiny_training import pictures as pictures

from engines.training.batches import Batches
from engines.training.partial import PartialLabels
from pipeline.datasets import Sample, open_dataset
from pipeline.errors import ConfigError
from pipeline.types import VOID, Classes
from pipeline.workbench.training import train
from pipeline.workbench.training_data import class_sets, label_table, samples


def test_processes_that_help_make_the_same_batches(pictures: Path) -> None:
    alone, helped = (config_for(pictures, machine={"workers": n, "threads": 1}) for n in (0, 2))
    data = samples(alone.train[0], open_dataset("folders", pictures, "train"), Classes(("red", "green", "blue"), ()))
    one, two = (list(Batches([(data, 1.0)], config).epoch(1)) for config in (alone, helped))
    assert same(one, two)


def test_each_showing_of_a_picture_is_another_change(pictures: Path) -> None:
    config = config_for(pictures, batch=1)
    picture = samples(
        msgspec.structs.replace(config.train[0], limit=1),
        open_dataset("folders", pictures, "train"),
        Classes(("red", "green", "blue"), ()),
    )
    batches = Batches([(picture, 2.0)], config)
    shown = {images.numpy().tobytes() for epoch in (0, 1) for images, _ in batches.epoch(epoch)}
    assert len(shown) == 4


def test_an_epoch_shows_what_was_asked_for(pictures: Path) -> None:
    crops = [{"size_hw": [64, 64]}, {"size_hw": [32, 64], "from_epoch": 3, "batch": 2}]
    config = config_for(pictures, crops=crops, batch=4)
    a, b = (
        [Sample(str(i), np.zeros((8, 8, 3), np.uint8), np.full((8, 8), k, np.uint8)) for i in range(12)]
        for k in (0, 1)
    )
    batches = Batches([(a, 2.0), (b, 0.25)], config)
    shown = np.bincount([i for batch in batches.order(0) for i in batch], minlength=24)
    assert batches.steps(0) == 27 // 4
    assert shown[:12].max() == 2
    assert shown[12:].max() <= 1
    assert batches.steps(3) == 13
    assert batches.class_counts(2) == [24 * 64, 3 * 64]
    images, labels = next(iter(batches.epoch(3)))
    assert images.shape == (2, 32, 64, 3)
    assert labels.shape == (2, 32, 64)


def test_films_can_be_held_out(pictures: Path) -> None:
    classes = Classes(("red", "green", "blue"), ())
    data = open_dataset("folders", pictures, "train")
    part = config_for(pictures).train[0]
    assert len(samples(msgspec.structs.replace(part, hold_out="dawn"), data, classes)) == 8
    only = samples(msgspec.structs.replace(part, only=("dawn",), limit=3), data, classes)
    assert [sample.name for sample in only] == ["dawn_01", "dawn_09", "dawn_15"]
    small = samples(msgspec.structs.replace(part, limit=1, size_hw=(22, 40)), data, classes)[0]
    assert small.image.shape == (22, 40, 3)
    assert small.labels.shape == (22, 40)
    with pytest.raises(ConfigError, match="leave no picture of 16"):
        samples(msgspec.structs.replace(part, only="dusk"), data, classes)


def test_classes_are_mapped_by_name_and_the_others_are_void(pictures: Path) -> None:
    ours = Classes(("blue", "warm"), ((0, 0, 255), (255, 0, 0)))
    part = msgspec.structs.replace(config_for(pictures).train[0], map={"red": "warm", "blue": "blue"})
    theirs = Classes(("red", "green", "blue"), ())
    assert label_table(part, theirs, ours)[[0, 1, 2, VOID]].tolist() == [1, VOID, 0, VOID]
    with pytest.raises(ConfigError, match=r"`rde` is no class of folders \(did you mean `red`\?\)"):
        label_table(msgspec.structs.replace(part, map={"rde": "warm"}), theirs, ours)
    with pytest.raises(ConfigError, match="its 3 classes are not the 2 of the first data set"):
        label_table(msgspec.structs.replace(part, map=None), theirs, ours)


def test_a_class_that_is_coarser_than_ours_becomes_a_set_of_them(pictures: Path) -> None:
    ours, theirs = Classes(("blue", "warm", "cold"), ()), Classes(("red", "green", "blue"), ())
    either = ("warm", "cold")
    part = msgspec.structs.replace(
        config_for(pictures).train[0], map={"red": either, "blue": "blue", "green": either}
    )
    assert class_sets([part, part]) == (either,)
    assert label_table(part, theirs, ours, [either])[[0, 1, 2, VOID]].tolist() == [3, 3, 0, VOID]
    assert label_table(part, theirs, ours)[[0, 1, 2]].tolist() == [VOID, VOID, 0]  # where it is scored
    with pytest.raises(ConfigError, match="`wram` is no class"):
        label_table(msgspec.structs.replace(part, map={"red": ("wram", "cold")}), theirs, ours)


def test_a_set_of_classes_asks_that_one_of_them_is_there() -> None:
    p = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.3, 0.3, 0.4]])
    logits = p.log().T.reshape(1, 3, 2, 2)
    labels = torch.tensor([[[3, 0], [4, VOID]]], dtype=torch.uint8)  # {0, 1}, class 0, {1, 2}, nothing
    loss = PartialLabels([(0, 1), (1, 2)], 3, torch.device("cpu"))(logits, labels)
    assert float(loss) == pytest.approx((-math.log(0.8) - math.log(0.8)) / 3, rel=1e-5)
    nothing = PartialLabels([(0, 1)], 3, torch.device("cpu"))(logits, torch.full((1, 2, 2), VOID, dtype=torch.uint8))
    assert float(nothing) == 0


def test_training_learns_from_sets_of_classes(pictures: Path, tmp_path: Path) -> None:
    config = config_for(pictures)
    part = msgspec.structs.replace(config.train[0], map={"red": "red", "green": ("green", "blue"), "blue": "blue"})
    both = msgspec.structs.replace(config, train=(config.train[0], part))
    data = [
        samples(
            p, open_dataset("folders", pictures, "train"), Classes(("red", "green", "blue"), ()), class_sets([part])
        )
        for p in both.train
    ]
    batches = Batches([(d, 1.0) for d in data], both, [(1, 2)])
    assert {3} <= {int(v) for _, labels in batches.epoch(0) for v in labels.unique()}
    unsaid = msgspec.structs.replace(part, map={"red": "red", "blue": "blue"})
    without = msgspec.structs.replace(both, train=(config.train[0], unsaid))
    told, silent = (train(c, tmp_path / name, until=1).rows[0] for name, c in (("sets", both), ("void", without)))
    assert told["loss"] > silent["loss"]  # the same pictures in the same order, and one more thing to learn
