"""Predictions in the official result formats, both ways, one file each. Nothing heavy is imported before its use."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from pipeline.formats.base import Prediction, Writer

if TYPE_CHECKING:
    from pipeline.formats.reading import Benchmark, Reader

__all__ = ["FORMATS", "Prediction", "Writer", "open_reader", "open_writer"]

FORMATS = MappingProxyType(  # name on the command line -> module:writer:reader; a new format is one file and one line
    {
        "bdd100k": "pipeline.formats.bdd100k:Bdd100kWriter:Bdd100kReader",
        "cityscapes": "pipeline.formats.cityscapes:CityscapesWriter:CityscapesReader",
        "coco": "pipeline.formats.coco:CocoWriter:CocoReader",
        "davis": "pipeline.formats.davis:DavisWriter:DavisReader",
        "kitti": "pipeline.formats.kitti:KittiWriter:KittiReader",
        "mots": "pipeline.formats.mots:MotsWriter:MotsReader",
        "scalabel": "pipeline.formats.scalabel:ScalabelWriter:ScalabelReader",
    }
)


def open_writer(name: str, out: Path) -> Writer:
    """The writer of a format, into the folder `out`, which is made.

    Raises:
        ConfigError: there is no such format.
        SinkError: the folder cannot be made.
    """
    writer: Writer = _found(name, 1)(out)
    return writer


def open_reader(name: str, path: Path, benchmark: Benchmark) -> Reader:
    """The reader of a format, of the predictions at `path`.

    Raises:
        ConfigError: there is no such format.
        DataError: nothing is there, or something else.
    """
    reader: Reader = _found(name, 2)(path, benchmark)
    return reader


def known(name: str) -> str:
    """The name; ConfigError with the nearest one where there is no such format."""
    if name not in FORMATS:
        near = difflib.get_close_matches(name, FORMATS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FORMATS)}"
        raise ConfigError(f"there is no result format {name!r}", hint=hint)
    return name


def _found(name: str, part: int) -> Any:
    parts = FORMATS[known(name)].split(":")
    return getattr(importlib.import_module(parts[0]), parts[part])
