"""The rows of a data set: one for every frame, one for every object in it, one for every class that labels pixels.

    clip        string   name of the clip
    frame       int64    index in the clip
    pts_s       float64  presentation time, seconds
    height      int32    of the frame, pixels
    width       int32
    kind        string   frame, instance or label: so a frame in which nothing was found still has its row
    number      int32    instance: its rank in the frame, best score first; label: the class; frame: how many frames
                         before the networks looked last, where what they found is carried; 0: at this one
    class       string   instance and label
    class_id    int32
    score       float64  instance, 0..1
    x0 y0 x1 y1 float64  instance: its box, pixels
    track       int64    instance: its number over time, where objects are followed and it has one
    rle         string   instance and label: COCO's run lengths of the mask, column by column, of height x width

Sorted by frame, kind (in that order) and number. Values are those of the records of `dashmask run --json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline.errors import UserError

SCHEMA_VERSION = 1
KINDS = ("frame", "instance", "label")
KEY = b"dashmask"  # of the metadata that say where the rows come from
COLUMNS: Mapping[str, str] = MappingProxyType(
    {"clip": "string", "frame": "int64", "pts_s": "float64", "height": "int32", "width": "int32"}
    | {"kind": "string", "number": "int32", "class": "string", "class_id": "int32", "score": "float64"}
    | dict.fromkeys(("x0", "y0", "x1", "y1"), "float64")
    | {"track": "int64", "rle": "string"}
)


def arrow() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet.

    Raises:
        UserError: not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError("a replay writes Parquet with pyarrow", hint="pip install 'dashmask[replay]'") from None
    return pyarrow, parquet


def schema(provenance: Mapping[str, Any]) -> Any:
    """The Arrow schema, with the schema's version and where the rows come from in its metadata."""
    pa, _ = arrow()
    told = json.dumps({"schema": SCHEMA_VERSION, **provenance}, sort_keys=True)
    fields = [
        pa.field(name, getattr(pa, kind)() if kind != "float64" else pa.float64()) for name, kind in COLUMNS.items()
    ]
    return pa.schema(fields, metadata={KEY: told.encode()})
