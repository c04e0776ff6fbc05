"""The convolutions of an ONNX graph: which see the picture first, which come last, and those between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.scalings import as_products
from pipeline.errors import ModelError
from pipeline.types import Card

QUANTIZED = "Conv"  # what is quantized
_OPSET = 13  # from which weights may be quantized per channel
_GROUPS = 8  # into which the middle of a network is parted


@dataclass(frozen=True, slots=True)
class Convolutions:
    """Names of a network's convolutions, by what quantizing them usually costs."""

    ends: tuple[str, ...]  # the first that see the picture, the last before the outputs: most
    groups: tuple[tuple[str, ...], ...]  # all others, in their order

    @property
    def count(self) -> int:
        """How many."""
        return len(self.ends) + sum(map(len, self.groups))


def prepare_graph(card: Card, path: Path) -> Convolutions:
    """Write the network with a name for every node and all shapes; its convolutions.

    Raises:
        ModelError: it is not float32, is quantized already, or has no convolution but the first and the last.
    """
    import onnx

    try:
        model = as_products(onnx.load(card.path))  # a scaling is no convolution to quantize
        version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
        if version < _OPSET:
            model = onnx.version_converter.convert_version(model, _OPSET)
        model = onnx.shape_inference.infer_shapes(model)
    except Exception as error:  # onnx has a class of error for each of its parts
        text = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise ModelError(f"{card.path.name} cannot be read for quantization: {text}") from error
    nodes = list(model.graph.node)
    if any("uantizeLinear" in node.op_type for node in nodes):
        raise ModelError(f"{card.path.name} is quantized already", hint="give the float network it was made of")
    halves = onnx.TensorProto.FLOAT16
    if card.input.dtype == "float16" or any(tensor.data_type == halves for tensor in model.graph.initializer):
        raise ModelError(f"{card.path.name} is float16, expected float32", hint="export it with --precision fp32")
    for number, node in enumerate(nodes):
        node.name = node.name or f"node_{number}"
    found = [node.name for node in nodes if node.op_type == QUANTIZED]
    if not found:
        raise ModelError(f"{card.path.name} has no convolution to quantize")
    ends = _nearest(nodes, [card.input.name], forward=True)
    ends |= _nearest(nodes, [output.name for output in model.graph.output], forward=False)
    # The convolution that turns YOLO's distributions into boxes has constant weights; those before it are the last.
    for name in [name for name in ends if "dfl" in name.lower()]:
        node = next(node for node in nodes if node.name == name)
        ends |= _nearest(nodes, list(node.input[:1]), forward=False)
    middle = [name for name in found if name not in ends]
    if not middle:
        raise ModelError(
            f"{card.path.name}: its convolutions ({len(found)}) are all first or last ones, which stay float: "
            "nothing is left to quantize"
        )
    size = -(-len(middle) // _GROUPS)
    groups = tuple(tuple(middle[at : at + size]) for at in range(0, len(middle), size))
    onnx.save(model, path)
    return Convolutions(tuple(name for name in found if name in ends), groups)


def _nearest(nodes: Sequence[Any], tensors: Sequence[str], *, forward: bool) -> set[str]:
    """Names of the convolutions that a walk from these tensors meets first, on every way.

    Forward, the walk ends where something else joins: behind it the picture has been through other layers too.
    """
    readers: dict[str, list[Any]] = {}
    computed = {name for node in nodes if node.op_type != "Constant" for name in node.output}
    for node in nodes:
        for tensor in node.input if forward else node.output:
            readers.setdefault(tensor, []).append(node)
    met: set[str] = set()
    seen: set[str] = set()
    waiting = list(tensors)
    while waiting:
        for node in readers.get(waiting.pop(), ()):
            if node.name in seen:
                continue
            seen.add(node.name)
            if node.op_type == QUANTIZED:
                met.add(node.name)
            elif not forward or len(computed.intersection(node.input)) < 2:
                waiting += node.output if forward else node.input
    return met
