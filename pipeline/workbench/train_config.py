"""Read the configuration of a training run, as strictly as that of a run."""

from __future__ import annotations

from collections.abc import Sequence

from engines.training.config import TrainConfig
from pipeline.config_file import load_as
from pipeline.errors import ConfigError

_NAME_BYTES = 200  # files have 255, and endings


def load_train_config(path: str, sets: Sequence[str] = ()) -> TrainConfig:
    """The configuration of a YAML file (or the name of one in `configs/train/`), with `a.b=value` pairs put over it.

    Raises:
        ConfigError: an unknown key, a wrong type, broken YAML; with its line and the nearest right name. A name that
            no file can have.
    """
    config = load_as(TrainConfig, path, sets, folder="train")
    name = config.name
    if name in ("", ".", "..") or set(name) & set("/\\\0") or len(name.encode()) > _NAME_BYTES:
        raise ConfigError(f"name: {name!r} is no name for a file", hint="a folder is what --out takes")
    return config
