"""Read the configuration of a training run, as strictly as that of a run."""

from __future__ import annotations

from collections.abc import Sequence

from engines.training.config import TrainConfig
from pipeline.config_file import load_as


def load_train_config(path: str, sets: Sequence[str] = ()) -> TrainConfig:
    """The configuration of a YAML file (or the name of one in `configs/train/`), with `a.b=value` pairs put over it.

    Raises:
        ConfigError: an unknown key, a wrong type, broken YAML; with its line and the nearest right name.
    """
    return load_as(TrainConfig, path, sets, folder="train")
