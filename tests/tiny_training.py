"""A training of seconds: pictures of three colours, a configuration and a network of next to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
import torch

from engines.training.batches import Batches
from engines.training.config import TrainConfig
from engines.training.loop import Score, fit
from pipeline.datasets import open_dataset
from pipeline.types import VOID, Classes
from pipeline.workbench.training_data import samples

SHADES = np.array([[200, 60, 40], [60, 190, 80], [50, 60, 210]], np.uint8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 pictures of three coloured classes to train on and 4 to validate, as folders."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    (root / "classes.txt").write_text("red\ngreen\nblue\n")
    for split, count in (("train", 16), ("val", 4)):
        for folder in ("images", "masks"):
            (root / split / folder).mkdir(parents=True)
        for index in range(count):
            labels = np.kron(rng.integers(0, 3, (3, 4), dtype=np.uint8), np.ones((22, 20), np.uint8))
            image = (SHADES[labels][:, :, ::-1] + rng.normal(0, 8, (*labels.shape, 3))).clip(0, 255).astype(np.uint8)
            labels[:3] = VOID
            film = "dawn" if index % 2 else "noon"
            cv2.imwrite(str(root / split / "images" / f"{film}_{index:02}.png"), image)
            cv2.imwrite(str(root / split / "masks" / f"{film}_{index:02}.png"), labels)
    return root


def config_for(pictures: Path, **changes: Any) -> TrainConfig:
    """A training of seconds: 2 epochs, 2 batches of 8, 64x64."""
    tree = {
        "name": "tiny",
        "roots": {"folders": str(pictures)},
        "train": [{"dataset": "folders", "split": "train"}],
        "val": [{"dataset": "folders", "split": "val"}],
        "epochs": 2,
        "crops": [{"size_hw": [64, 64]}],
        "losses": [{"name": "cross_entropy"}, {"name": "dice", "weight": 0.5}],
        "optimiser": {"warmup_epochs": 0.5},
        "machine": {"threads": 1, "device": "cpu"},
    }
    return msgspec.convert(tree | changes, TrainConfig)


def tiny_net() -> Any:
    """Dropout, BatchNorm and a convolution: all that has a state."""
    torch.manual_seed(4)
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.PReLU(8), nn.Dropout2d(0.2), nn.Conv2d(8, 3, 1)
    )


def fit_tiny(pictures: Path, out: Path, scores: list[float] | None = None, resume: bool = False, **how: Any) -> Any:
    """`fit` with the tiny net; `scores` are what validation says, epoch by epoch."""
    until = how.pop("until", None)
    config = config_for(pictures, **how)
    data = samples(config.train[0], open_dataset("folders", pictures, "train"), Classes(("red", "green", "blue"), ()))
    said = iter(scores or [])

    def validate(forward: Any) -> Mapping[str, Score]:
        return {"val": Score(next(said), {"red": 0.5})} if scores is not None else {}

    batches = Batches([(data, 1.0)], config)
    about = {"classes": {"names": ["red", "green", "blue"]}}
    return fit(tiny_net(), batches, validate, config, classes=3, about=about, out=out, resume=resume, until=until)


def same(one: Any, two: Any) -> bool:
    """Whether two states hold the same, to the bit; but for the seconds that it took."""
    if isinstance(one, torch.Tensor):
        return bool(torch.equal(one, two))
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[k], two[k]) for k in one if not str(k).endswith("_s"))
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)
