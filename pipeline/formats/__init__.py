"""Predictions in the official result formats, one file each. Nothing heavy is imported before it is used."""

from __future__ import annotations

import difflib
from pathlib import Path
from types import MappingProxyType

from pipeline.errors import ConfigError
from pipeline.formats.base import Prediction, Writer

__all__ = ["FORMATS", "Prediction", "Writer", "open_writer"]

FORMATS = MappingProxyType(  # name on the command line -> module:class; a new format is one file and one line
    {
        "bdd100k": "pipeline.formats.bdd100k:Bdd100kWriter",
        "cityscapes": "pipeline.formats.cityscapes:CityscapesWriter",
        "coco": "pipeline.formats.coco:CocoWriter",
        "davis": "pipeline.formats.davis:DavisWriter",
        "kitti": "pipeline.formats.kitti:KittiWriter",
        "mots": "pipeline.formats.mots:MotsWriter",
        "scalabel": "pipeline.formats.scalabel:ScalabelWriter",
    }
)


def open_writer(name: str, out: Path) -> Writer:
    """The writer of a format, into the folder `out`, which is made.

    Raises:
        ConfigError: there is no such format.
        SinkError: the folder cannot be made.
    """
    import importlib

    if name not in FORMATS:
        near = difflib.get_close_matches(name, FORMATS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FORMATS)}"
        raise ConfigError(f"there is no result format {name!r}", hint=hint)
    module, _, attribute = FORMATS[name].partition(":")
    writer: Writer = getattr(importlib.import_module(module), attribute)(out)
    return writer
