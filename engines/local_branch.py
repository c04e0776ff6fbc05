"""The part of a network that makes one output out of one feature map, cell by cell, and of which the other outputs
know nothing: such as the prototypes of YOLO-seg's masks, a quarter of its work, of which only what lies under a box
is ever read. It can run for a part of the map alone, later, with the same values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engines.onnx_graph import Attribute, Graph, Node, attributes, has_subgraph, read_graph, value
from engines.protobuf import BrokenError
from pipeline.types import Card

_POINTWISE = frozenset({"Add", "LeakyRelu", "Mul", "Relu", "Sigmoid", "Tanh"})  # of tensors that are no weights


@dataclass(frozen=True, slots=True)
class LocalBranch:
    """A network in two files: what all outputs need, and what one of them needs alone."""

    trunk: bytes  # ONNX: every other output, and the feature map
    branch: bytes  # ONNX: from the feature map to its output
    entry: str  # name of the feature map, (1, c, rows, columns) float32
    output: str
    channels: int
    scale: int  # cells of the output for one of the feature map, across and down
    reach: int  # cells of the output that may be wrong at the edge of a part of the map

    def of_trunk(self, names: Sequence[str]) -> list[str]:
        """The outputs of the network as the trunk has them: the feature map where the branch's output was."""
        return [self.entry if name == self.output else name for name in names]


@dataclass(frozen=True, slots=True)
class _Grid:
    """How a tensor of the branch lies over the feature map."""

    channels: int | None  # None: those of the feature map
    scale: int
    reach: int


def prototypes_branch(card: Card) -> LocalBranch | None:
    """The branch that makes the prototypes of a YOLO-seg network; None where there is none that can be parted."""
    maps = [output for output in card.outputs if len(output.shape) == 4]
    if card.family != "yolo-seg" or len(maps) != 1 or maps[0].dtype != "float32":
        return None
    return part(card.path.read_bytes(), maps[0].name)


def part(data: bytes, output: str) -> LocalBranch | None:
    """Part a network before the branch of an output; None where it has no such branch, or one that looks too far.

    Args:
        data: the ONNX file.
        output: the name of one of at least two outputs.
    """
    try:
        graph = read_graph(data)
        if len(graph.outputs) < 2 or any(has_subgraph(data, node) for node in graph.nodes):
            return None
        needed = _ancestors(graph, [output]) - _ancestors(graph, [name for name in graph.outputs if name != output])
        alone = [node for node in graph.nodes if node in needed]
        entry = _entry(graph, alone)
        if entry is None or any(weights.elsewhere for weights in graph.weights.values()):
            return None
        grid = _walked(graph, alone, entry).get(output)
    except BrokenError:
        return None
    if grid is None or grid.channels is None:
        return None
    outputs = [graph.declared(where) for name, where in graph.outputs.items() if name != output]
    return LocalBranch(
        graph.file(
            [node for node in graph.nodes if node not in needed],
            [graph.declared(where) for name, where in graph.inputs.items() if name not in graph.weights],
            [*outputs, value(entry)],
        ),
        graph.file(alone, [value(entry)], [value(output)]),
        entry,
        output,
        grid.channels,
        grid.scale,
        grid.reach,
    )


def _ancestors(graph: Graph, names: Iterable[str]) -> set[Node]:
    """The nodes that tensors are made of."""
    makers = {name: node for node in graph.nodes for name in node.outputs}
    found: set[Node] = set()
    waiting = list(names)
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node not in found:
            found.add(node)
            waiting += node.inputs
    return found


def _entry(graph: Graph, alone: Sequence[Node]) -> str | None:
    """The one tensor that the branch reads; None where there are several, or where it is the network's input."""
    made = {name for node in alone for name in node.outputs}
    read = {name for node in alone for name in node.inputs if name} - made - graph.weights.keys()
    entry = read.pop() if len(read) == 1 else None
    return None if entry in graph.inputs else entry


def _walked(graph: Graph, alone: Sequence[Node], entry: str) -> dict[str, _Grid]:
    """How each tensor of the branch lies over the feature map, as far as that is known; nodes come in their order."""
    grids = {entry: _Grid(None, 1, 0)}
    for node in alone:
        grid = _after(graph, node, grids)
        if grid is None or len(node.outputs) != 1:
            break
        grids[node.outputs[0]] = grid
    return grids


def _after(graph: Graph, node: Node, grids: dict[str, _Grid]) -> _Grid | None:
    sources = [grids[name] for name in node.inputs if name in grids]
    if node.domain not in ("", "ai.onnx") or not sources:
        return None
    if node.kind in _POINTWISE:
        same = len(sources) == len(node.inputs) and len({(one.channels, one.scale) for one in sources}) == 1
        return max(sources, key=lambda grid: grid.reach) if same else None
    kernel = graph.weights.get(node.inputs[1]) if len(node.inputs) > 1 else None
    biased = all(name in graph.weights for name in node.inputs[2:])
    if node.inputs[0] not in grids or kernel is None or len(kernel.dims) != 4 or not biased:
        return None
    told = attributes(graph.data, node)
    before, (rows, columns) = grids[node.inputs[0]], kernel.dims[2:]
    if rows != columns or told.get("auto_pad", "NOTSET") != "NOTSET":
        return None
    if node.kind == "Conv":
        dilation = _every(told.get("dilations"), 1)
        near = None if dilation is None else dilation * (rows - 1) // 2
        keeps = rows % 2 == 1 and _every(told.get("strides"), 1) == 1 and _every(told.get("pads"), 0) == near
        return _Grid(kernel.dims[0], before.scale, before.reach + (near or 0)) if keeps else None
    if node.kind == "ConvTranspose":  # each cell by itself becomes a square of cells
        squares = _every(told.get("strides"), 1) == rows and _every(told.get("pads"), 0) == 0
        plain = _every(told.get("dilations"), 1) == 1 and _every(told.get("output_padding"), 0) == 0
        groups = told.get("group", 1)
        if squares and plain and "output_shape" not in told and isinstance(groups, int):
            return _Grid(kernel.dims[1] * groups, before.scale * rows, before.reach * rows)
    return None


def _every(told: Attribute | None, usual: int) -> int | None:
    """The number that all of a list are, `usual` where nothing is told; None where they differ."""
    if told is None:
        return usual
    return told[0] if isinstance(told, tuple) and len(set(told)) == 1 and isinstance(told[0], int) else None
