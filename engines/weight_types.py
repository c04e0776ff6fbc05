"""Whether most of a network's weights are halves: it then computes in float16, whatever goes in and comes out."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from pathlib import Path

from engines.protobuf import BrokenError, fields, span, varint

_GRAPH, _INITIALIZER, _DIMS, _TYPE = 7, 5, 1, 2  # of ModelProto, GraphProto and TensorProto
_FLOAT, _HALF = 1, 10  # TensorProto.DataType


def in_halves(path: Path) -> bool:
    """Whether an ONNX file holds more weights of float16 than of float32; False where it cannot be read."""
    count = {_FLOAT: 0, _HALF: 0}
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for kind, size in _weights(data):
                if kind in count:
                    count[kind] += size
    except (OSError, ValueError, BrokenError):
        return False
    return count[_HALF] > count[_FLOAT]


def _weights(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Type and number of the values of each constant tensor."""
    for number, value, at in fields(data, 0, len(data)):
        for field, inner, where in fields(data, *span(value, at)) if number == _GRAPH else ():
            if field != _INITIALIZER:
                continue
            sides: list[int] = []
            for key, content, begin in fields(data, *span(inner, where)):
                if key == _DIMS and begin < 0:
                    sides.append(content)
                elif key == _DIMS:
                    while begin < content:
                        side, begin = varint(data, begin, content)
                        sides.append(side)
                elif key == _TYPE:  # comes behind the dimensions and before the values
                    yield content, math.prod(sides)
                    break
