"""Outputs of bytes as TensorRT takes them: it casts only floats to uint8, not the whole numbers of an ArgMax."""

from __future__ import annotations

from typing import Any


def by_way_of_floats(model: Any) -> Any:
    """The ONNX model, changed in place, with a Cast to float32 before each Cast that gives an output of uint8.

    The same numbers: classes are 0 to 255, which floats hold. TensorRT's documentation of DataType.UINT8.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    results = {value.name for value in graph.output}
    nodes: list[Any] = []
    for node in graph.node:
        told = {attribute.name: attribute.i for attribute in node.attribute}
        if node.op_type == "Cast" and told.get("to") == TensorProto.UINT8 and node.output[0] in results:
            number = f"{node.output[0]}.number"
            nodes.append(helper.make_node("Cast", node.input, [number], name=number, to=TensorProto.FLOAT))
            node.input[0] = number
        nodes.append(node)
    if len(nodes) > len(graph.node):
        made = [type(node).FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(made)
    return model
