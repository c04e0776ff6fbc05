"""The nodes of an ONNX file with their bytes, read without the onnx package; and files made of some of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from engines.protobuf import Data, fields, heading, message, number, span, text, varint

# Field numbers of onnx.proto.
_GRAPH = 7  # of ModelProto
_NODE, _NAME, _INITIALIZER, _INPUT, _OUTPUT = 1, 2, 5, 11, 12  # of GraphProto
_FLOAT = 1  # TensorProto.DataType
Span = tuple[int, int]
Attribute = int | str | tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operator, the same as itself alone; `span` is where its message lies."""

    kind: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[Span, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Weights:
    """A constant tensor."""

    dims: tuple[int, ...]
    elsewhere: bool  # its values lie in another file
    span: Span


@dataclass(frozen=True, slots=True)
class Graph:
    """What of a model is needed to part it."""

    data: Data
    nodes: tuple[Node, ...]
    weights: dict[str, Weights]
    inputs: dict[str, Span]
    outputs: dict[str, Span]
    name: str
    rest: tuple[bytes, ...]  # all of the model but its graph: versions, operator sets, metadata

    def file(self, nodes: Collection[Node], inputs: Collection[bytes], outputs: Collection[bytes]) -> bytes:
        """An ONNX file of these nodes, in their order, with the weights that they read.

        Args:
            nodes: of this graph.
            inputs: messages of ValueInfoProto, see `value` and `declared`.
            outputs: as well.
        """
        read = {name for node in nodes for name in node.inputs}
        data = memoryview(self.data)  # weights are copied once, into the file
        found = [(_NODE, data[slice(*node.span)]) for node in nodes]
        found.append((_NAME, memoryview(self.name.encode())))
        found += [(_INITIALIZER, data[slice(*w.span)]) for name, w in self.weights.items() if name in read]
        found += [(_INPUT, memoryview(one)) for one in inputs] + [(_OUTPUT, memoryview(one)) for one in outputs]
        parts = [part for field, content in found for part in (heading(field, len(content)), content)]
        return b"".join((*self.rest, heading(_GRAPH, sum(map(len, parts))), *parts))

    def declared(self, where: Span) -> bytes:
        """What the file itself says of an input or output."""
        return self.data[slice(*where)]


def value(name: str) -> bytes:
    """A ValueInfoProto of a float32 tensor with four free dimensions."""
    dimensions = b"".join(message(1, message(2, f"{name}.{axis}".encode())) for axis in range(4))
    tensor = number(1, _FLOAT) + message(2, dimensions)
    return message(1, name.encode()) + message(2, message(1, tensor))


def read_graph(data: Data) -> Graph:
    """The nodes and weights of an ONNX file.

    Raises:
        BrokenError: it is none.
    """
    nodes: list[Node] = []
    weights: dict[str, Weights] = {}
    inputs: dict[str, Span] = {}
    outputs: dict[str, Span] = {}
    name, rest, graph = "", [], (0, 0)
    before = 0
    for field, content, at in fields(data, 0, len(data)):
        end = content if at >= 0 else _end_of(data, before)
        if field == _GRAPH:
            graph = span(content, at)
        else:
            rest.append(data[before:end])
        before = end
    for field, content, at in fields(data, *graph):
        if field == _NODE:
            nodes.append(_node(data, span(content, at)))
        elif field == _INITIALIZER:
            named, tensor = _weights(data, span(content, at))
            weights[named] = tensor
        elif field in (_INPUT, _OUTPUT):
            (inputs if field == _INPUT else outputs)[_first_text(data, span(content, at))] = span(content, at)
        elif field == _NAME:
            name = text(data, content, at)
    return Graph(data, tuple(nodes), weights, inputs, outputs, name, tuple(rest))


def attributes(data: Data, node: Node) -> dict[str, Attribute]:
    """The attributes of a node that are whole numbers, lists of them, or text; others are left out."""
    found: dict[str, Attribute] = {}
    for begin, end in node.attributes:
        name, kind, many = "", 0, []
        single: Attribute | None = None
        for field, content, at in fields(data, begin, end):
            if field == 1:
                name = text(data, content, at)
            elif field == 20:
                kind = content
            elif field == 3:
                single = _signed(content)
            elif field == 4:
                single = text(data, content, at)
            elif field == 8:
                many += [_signed(content)] if at < 0 else list(_packed(data, at, content))
        if kind == 7:
            found[name] = tuple(many)
        elif kind in (2, 3) and single is not None:
            found[name] = single
    return found


def has_subgraph(data: Data, node: Node) -> bool:
    """Whether an attribute is a graph, whose nodes may read any tensor outside it."""
    return any(field in (6, 11) for begin, end in node.attributes for field, _, _ in fields(data, begin, end))


def _node(data: Data, where: Span) -> Node:
    kind = domain = ""
    inputs: list[str] = []
    outputs: list[str] = []
    found: list[Span] = []
    for field, content, at in fields(data, *where):
        if field == 1:
            inputs.append(text(data, content, at))
        elif field == 2:
            outputs.append(text(data, content, at))
        elif field == 4:
            kind = text(data, content, at)
        elif field == 5:
            found.append(span(content, at))
        elif field == 7:
            domain = text(data, content, at)
    return Node(kind, domain, tuple(inputs), tuple(outputs), tuple(found), where)


def _weights(data: Data, where: Span) -> tuple[str, Weights]:
    name, dims, elsewhere = "", [], False
    for field, content, at in fields(data, *where):
        if field == 1:
            dims += [content] if at < 0 else list(_packed(data, at, content))
        elif field == 8:
            name = text(data, content, at)
        elif field == 13:  # external_data
            elsewhere = True
    return name, Weights(tuple(dims), elsewhere, where)


def _first_text(data: Data, where: Span) -> str:
    return next((text(data, content, at) for field, content, at in fields(data, *where) if field == 1), "")


def _packed(data: Data, at: int, end: int) -> Iterator[int]:
    while at < end:
        content, at = varint(data, at, end)
        yield _signed(content)


def _signed(content: int) -> int:
    return content - (1 << 64) if content >> 63 else content


def _end_of(data: Data, at: int) -> int:
    """Where the field that begins at a byte ends, one that is a number."""
    key, at = varint(data, at, len(data))
    if key & 7 == 0:
        return varint(data, at, len(data))[1]
    return at + (4 if key & 7 == 5 else 8)
