"""Channels scaled by a 1x1 depthwise convolution, as CPUs have it fastest, and by a product, as GPUs do.

ONNX Runtime and OpenVINO keep the pixels of several channels side by side between convolutions; a product with a
constant would have them sorted out before and after. TensorRT puts a product into the kernel before or behind it.
"""

from __future__ import annotations

from typing import Any


def as_products(model: Any) -> Any:
    """The ONNX model, changed in place, with a Mul for each 1x1 depthwise Conv that has no bias: the same numbers."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    kernels = {tensor.name: tensor for tensor in graph.initializer}
    for tensor in graph.input:  # one that may be given by the caller is no constant
        kernels.pop(tensor.name, None)
    for node in graph.node:
        kernel = kernels.get(node.input[1]) if node.op_type == "Conv" and len(node.input) == 2 else None
        if kernel is None or kernel.data_type not in (TensorProto.FLOAT, TensorProto.FLOAT16):
            continue
        channels = int(kernel.dims[0])
        told = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        plain = not any(told.get("pads", ())) and set(told.get("strides", (1,))) == {1}
        if plain and list(kernel.dims) == [channels, 1, 1, 1] and told.get("group", 1) == channels:
            factors = numpy_helper.to_array(kernel).reshape(channels, 1, 1)
            node.input[1] = f"{node.output[0]}.factors"
            graph.initializer.append(numpy_helper.from_array(factors, node.input[1]))
            node.op_type = "Mul"
            del node.attribute[:]
    used = {name for node in graph.node for name in node.input}
    for name in kernels.keys() - used:
        graph.initializer.remove(kernels[name])
    return model
