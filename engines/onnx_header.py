"""What an ONNX file says of itself, read without the onnx package (whose import takes longer than this whole file).

Weights and nodes are stepped over by their lengths, so that the time does not grow with the size of the model. Field
numbers are those of onnx.proto.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engines.protobuf import BrokenError, fields, span, text, whole
from pipeline.errors import ModelError

# onnx.TensorProto.DataType
DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
}
_NODE, _INITIALIZER = 1, 5  # of GraphProto
_EXTERNAL = 13  # of TensorProto
_SMALL = 1024  # bytes of a tensor: one whose values lie elsewhere is no larger


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output of a graph."""

    name: str
    dtype: str  # as NumPy names it; type_<n> for one of ONNX' that NumPy has not
    shape: tuple[int | None, ...] | None  # a free dimension is None; None: the file does not say

    def __str__(self) -> str:
        sides = "?" if self.shape is None else ", ".join("?" if n is None else str(n) for n in self.shape)
        return f"{self.name} ({sides}) {self.dtype}"


@dataclass(frozen=True, slots=True)
class OnnxHeader:
    """Everything of an ONNX file but its weights and nodes."""

    ir_version: int
    opsets: Mapping[str, int]  # domain -> version; "" is ONNX' own
    producer: str
    inputs: tuple[TensorInfo, ...]  # without those that are weights
    outputs: tuple[TensorInfo, ...]
    metadata: Mapping[str, str]
    nodes: int
    weights_in: Mapping[str, int]  # other files, relative to this one's folder, and the bytes that each must have


def read_onnx_header(path: Path) -> OnnxHeader:
    """Read what an ONNX file says of itself; about a millisecond for a file of 12 MB.

    Raises:
        ModelError: the file cannot be read, is no ONNX file, or is cut off.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64)
            if not start:
                raise ModelError(f"{path}: the file is empty", hint="download or export the model again")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _model(data)
    except (OSError, ValueError) as error:  # ValueError: not something that can be mapped
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path}: cannot be read: {reason}") from error
    except BrokenError as error:
        what, hint = _looks_like(start)
        raise ModelError(f"{path}: {what or f'not a whole ONNX file: {error}'}", hint=hint) from error


def _looks_like(start: bytes) -> tuple[str, str]:
    """What a file that is no ONNX model is instead, from its first bytes; and what to do."""
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the model itself", "fetch the model with `git lfs pull`"
    if start.startswith(b"PK\x03\x04"):
        return "a zip archive (a PyTorch checkpoint perhaps), not an ONNX file", "export it to ONNX"
    if start.lstrip()[:1] in (b"<", b"{"):
        return "a web page or JSON, not an ONNX file", "the download failed: fetch the model again"
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in start):
        return "a text file, not an ONNX file", ""
    return "", "the file is cut off or damaged: download or export the model again"


def _model(data: mmap.mmap) -> OnnxHeader:
    ir_version, producer, nodes = 0, "", 0
    graph: tuple[int, int] | None = None
    opsets: dict[str, int] = {}
    metadata: dict[str, str] = {}
    inputs: list[TensorInfo] = []
    outputs: list[TensorInfo] = []
    weights: list[tuple[int, int]] = []
    for number, value, at in fields(data, 0, len(data)):
        match number:
            case 1:
                ir_version = whole(value, at)
            case 2:
                producer = text(data, value, at)
            case 7:
                graph = span(value, at)
            case 8:
                domain, version = "", 0
                for key, inner, where in fields(data, *span(value, at)):
                    if key == 1:
                        domain = text(data, inner, where)
                    elif key == 2:
                        version = whole(inner, where)
                opsets[domain] = version
            case 14:
                pair = {k: text(data, inner, where) for k, inner, where in fields(data, *span(value, at))}
                metadata[pair.get(1, "")] = pair.get(2, "")
    if graph is None:
        raise BrokenError("it holds no graph")
    for number, value, at in fields(data, *graph):
        if number == _NODE:
            nodes += 1
        elif number == _INITIALIZER:
            weights.append(span(value, at))
        elif number == 11:
            inputs.append(_tensor(data, *span(value, at)))
        elif number == 12:
            outputs.append(_tensor(data, *span(value, at)))
    if not (ir_version and opsets and outputs):
        raise BrokenError("it holds no version, no operator set or no output")
    if len(inputs) > 1:  # weights may be listed among them: before IR version 4 they must be
        named = {name for where in weights for name in _names(data, 8, *where)}
        inputs = [tensor for tensor in inputs if tensor.name not in named]
    elsewhere = _elsewhere(data, weights)
    return OnnxHeader(ir_version, opsets, producer, tuple(inputs), tuple(outputs), metadata, nodes, elsewhere)


def _tensor(data: mmap.mmap, begin: int, end: int) -> TensorInfo:
    """A ValueInfoProto: name, type.tensor_type.elem_type and .shape."""
    name, kind = "", 0
    shape: tuple[int | None, ...] | None = None
    for number, value, at in fields(data, begin, end):
        if number == 1:
            name = text(data, value, at)
        elif number == 2:
            for what, tensor, where in fields(data, *span(value, at)):
                if what != 1:  # a sequence, a map, an optional
                    continue
                for key, inner, place in fields(data, *span(tensor, where)):
                    if key == 1:
                        kind = whole(inner, place)
                    elif key == 2:
                        shape = tuple(_dimensions(data, *span(inner, place)))
    return TensorInfo(name, DTYPES.get(kind, f"type_{kind}"), shape)


def _dimensions(data: mmap.mmap, begin: int, end: int) -> Iterator[int | None]:
    for number, value, at in fields(data, begin, end):
        if number == 1:
            sizes = [whole(inner, where) for key, inner, where in fields(data, *span(value, at)) if key == 1]
            # Some exporters write 0 or -1 (as an unsigned 64-bit number) for a free dimension.
            yield sizes[-1] if sizes and 0 < sizes[-1] < 1 << 63 else None


def _elsewhere(data: mmap.mmap, weights: Iterable[tuple[int, int]]) -> dict[str, int]:
    """The other files that hold weights, and how far these reach in them."""
    found: dict[str, int] = {}
    for begin, end in weights:
        if end - begin > _SMALL:
            continue
        told: dict[str, str] = {}
        for number, value, at in fields(data, begin, end):
            if number == _EXTERNAL:
                pair = {key: text(data, inner, where) for key, inner, where in fields(data, *span(value, at))}
                told[pair.get(1, "")] = pair.get(2, "")
        if name := told.get("location"):
            sizes = [told.get(key, "0") for key in ("offset", "length")]
            if not all(size.isdecimal() for size in sizes):
                raise BrokenError("weights whose place in another file is no number")
            found[name] = max(found.get(name, 0), sum(map(int, sizes)))
    return found


def _names(data: mmap.mmap, field: int, begin: int, end: int) -> Iterator[str]:
    for number, value, at in fields(data, begin, end):
        if number == field:
            yield text(data, value, at)
