"""Predictions in the official result formats, both ways, one file each. Nothing heavy is imported before its use."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from pipeline.formats.base import Prediction, Writer
from pipeline.sinks import check_outputs

if TYPE_CHECKING:
    from pipeline.formats.reading import Benchmark, Reader
    from pipeline.types import Classes

__all__ = ["FORMATS", "Prediction", "Writer", "known", "open_reader", "open_writer", "writer_kind"]

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


def open_writer(name: str, out: Path, objects: Classes | None = None, category_ids: Sequence[int] = ()) -> Writer:
    """The writer of a format, into the folder `out`, which is made with the first file.

    Args:
        name: a key of FORMATS.
        out: the folder; it need not be there.
        objects, category_ids: the classes that a data set marks and their numbers, where it has them; of use to
            formats that have none of their own.

    Raises:
        ConfigError: there is no such format.
        SinkError: it cannot be made, or nothing can be written there.
    """
    kind: Any = writer_kind(name)
    check_outputs(None, (), [out])
    writer: Writer = kind(out, objects, category_ids) if category_ids and kind.numbered else kind(out)
    return writer


def writer_kind(name: str) -> type[Writer]:
    """What writes a format; ConfigError where there is no such one."""
    kind: type[Writer] = _found(name, 1)
    return kind


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
