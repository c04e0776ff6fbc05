"""A float16 copy of an ONNX graph: what costs time computes in half, what costs accuracy stays float32.

Inputs and outputs keep their types. From the first to the last layer with weights everything is float16. Before the
first one (scaling of pixels) and behind the last one (boxes in pixels, scores) arithmetic stays float32, as float16
has steps of half a pixel at 512; what only moves or compares values stays in the type that it is given, which is
exact. Casts are put right before their first reader, so the order stays topological.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.errors import ModelError

HEAVY = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
# Exact in any type: the result is one of the values that came in.
MOVING = frozenset(
    {
        *("ArgMax", "ArgMin", "Max", "MaxPool", "Min", "TopK", "Clip", "Relu", "Abs", "Neg", "Where"),
        *("Concat", "Split", "Slice", "Pad", "Tile", "Expand", "Gather", "GatherElements", "GatherND"),
        *("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "DepthToSpace", "SpaceToDepth", "Identity"),
        *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
    }
)
# Inputs that ONNX wants as float32 whatever the others are.
_FLOAT_INPUTS = {"Resize": {1, 2}, "Upsample": {1}}
_SHAPES_ONLY = frozenset({"Shape", "Size"})  # their result does not depend on values
_LARGEST = 65504.0  # of float16


def to_half(model: Any, name: str) -> Any:
    """A copy of a float32 model that computes in float16 where that pays.

    Args:
        model: an onnx.ModelProto with its weights inside.
        name: of its file, for errors.

    Returns:
        onnx.ModelProto with the same inputs and outputs, checked.

    Raises:
        ModelError: it is quantised, has subgraphs or functions, holds nothing to convert, or tensors of types that
            cannot be told.
    """
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    if made.functions or any(attribute.HasField("g") for node in graph.node for attribute in node.attribute):
        raise ModelError(
            f"{name}: has subgraphs, which are not converted to float16", hint="export it in half instead"
        )
    if any(node.op_type.endswith("QuantizeLinear") for node in graph.node):
        raise ModelError(f"{name}: is quantised, which is not converted to float16", hint="use --precision int8")
    _lift_constants(graph)
    kinds = _kinds(made, name)
    half = _in_half(graph, kinds, onnx.TensorProto.FLOAT)
    if not any(node.op_type in HEAVY for node, yes in zip(graph.node, half, strict=True) if yes):
        raise ModelError(f"{name}: holds no float32 layer with weights that could be float16")
    _rewrite(graph, half, kinds)
    try:
        onnx.checker.check_model(made, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        line = str(error).strip().splitlines()[0]
        raise ModelError(
            f"{name}: cannot be converted to float16: {line}", hint="export it in half instead"
        ) from error
    return made


def _lift_constants(graph: Any) -> None:
    """Constant nodes become initializers."""
    for node in list(graph.node):
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx") and node.attribute[0].name == "value":
            tensor = graph.initializer.add()
            tensor.CopyFrom(node.attribute[0].t)
            tensor.name = node.output[0]
            graph.node.remove(node)


def _kinds(model: Any, name: str) -> dict[str, int]:
    """TensorProto.DataType of every tensor.

    Raises:
        ModelError: of one it cannot be told.
    """
    import onnx

    try:
        graph = onnx.shape_inference.infer_shapes(model, strict_mode=False).graph
    except onnx.shape_inference.InferenceError as error:
        raise ModelError(f"{name}: contradicts itself: {error}") from error
    kinds = {tensor.name: int(tensor.data_type) for tensor in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        kinds[value.name] = int(value.type.tensor_type.elem_type)
    for node in graph.node:
        for output in node.output:
            if output and not kinds.get(output):
                raise ModelError(
                    f"{name}: the type of what {node.op_type} `{node.name}` gives cannot be told",
                    hint="export it in half instead",
                )
    return kinds


def _in_half(graph: Any, kinds: dict[str, int], float32: int) -> list[bool]:
    """For each node whether its float tensors are float16."""
    made_by = {output: at for at, node in enumerate(graph.node) for output in node.output if output}
    before = [[made_by[name] for name in node.input if name in made_by] for node in graph.node]
    after_heavy, before_heavy = [False] * len(before), [False] * len(before)
    weights = [tensor for tensor in graph.initializer if tensor.data_type == float32]
    large = {tensor.name for tensor in weights if _too_large(tensor)}
    exact = {tensor.name for tensor in weights if _exact(tensor)}
    for at, node in enumerate(graph.node):
        after_heavy[at] = node.op_type in HEAVY or any(
            after_heavy[source] for source in before[at] if graph.node[source].op_type not in _SHAPES_ONLY
        )
    for at in range(len(before) - 1, -1, -1):
        node = graph.node[at]
        before_heavy[at] = before_heavy[at] or node.op_type in HEAVY
        if before_heavy[at] and node.op_type not in _SHAPES_ONLY:
            for source in before[at]:
                before_heavy[source] = True
    half: list[bool] = []
    for at, node in enumerate(graph.node):
        floats = [name for name in (*node.input, *node.output) if kinds.get(name) == float32]
        if not floats or large.intersection(node.input):
            half.append(False)
        elif after_heavy[at] and before_heavy[at]:
            half.append(True)
        else:
            given = [name for name in node.input if kinds.get(name) == float32]
            moved = any(name in made_by for name in given) and all(
                half[made_by[name]] if name in made_by else name in exact for name in given
            )
            half.append(node.op_type in MOVING and moved)
    return half


def _exact(tensor: Any) -> bool:
    """Whether float16 holds the very same values."""
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    with np.errstate(over="ignore"):
        return bool((values.astype(np.float16) == values).all())


def _too_large(tensor: Any) -> bool:
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    return bool(values.size) and bool((np.abs(values) > _LARGEST).any())


def _rewrite(graph: Any, half: Sequence[bool], kinds: dict[str, int]) -> None:
    """Change the types, in place."""
    from onnx import TensorProto, helper, numpy_helper

    weights = {tensor.name: tensor for tensor in graph.initializer}
    results = {value.name for value in graph.output}
    names = set(kinds)
    in_half = {name for name, kind in kinds.items() if kind == TensorProto.FLOAT16}
    as_kind: dict[tuple[str, bool], str] = {}  # tensor, wanted in half -> its name in that type
    nodes: list[Any] = []

    def fresh(name: str) -> str:
        while name in names:
            name += "_"
        names.add(name)
        return name

    def given(name: str, wanted: bool) -> str:
        """The tensor in the wanted type; a cast or a converted weight the first time."""
        if (name in in_half) == wanted:
            return name
        if (name, wanted) not in as_kind:
            other = fresh(f"{name}_{'half' if wanted else 'float'}")
            as_kind[name, wanted] = other
            if name in weights:
                array = numpy_helper.to_array(weights[name]).astype(np.float16 if wanted else np.float32)
                graph.initializer.append(numpy_helper.from_array(array, other))
            else:
                to = TensorProto.FLOAT16 if wanted else TensorProto.FLOAT
                nodes.append(helper.make_node("Cast", [name], [other], name=f"{other}_cast", to=to))
        return as_kind[name, wanted]

    for node, yes in zip(list(graph.node), half, strict=True):
        for at, name in enumerate(node.input):
            if kinds.get(name) == TensorProto.FLOAT and node.op_type not in _SHAPES_ONLY:
                node.input[at] = given(name, yes and at not in _FLOAT_INPUTS.get(node.op_type, ()))
        if yes:
            for attribute in _types(node):
                attribute.i = TensorProto.FLOAT16
        nodes.append(node)
        for at, name in enumerate(node.output):
            if not yes or kinds.get(name) != TensorProto.FLOAT:
                continue
            if name in results:  # what is given out stays float32, under its own name
                inside = fresh(f"{name}_half")
                node.output[at] = inside
                as_kind[name, True] = inside
                nodes.append(helper.make_node("Cast", [inside], [name], name=f"{name}_cast", to=TensorProto.FLOAT))
            else:
                in_half.add(name)
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
    _drop_unused(graph)


def _types(node: Any) -> Iterator[Any]:
    """Attributes of a node that name float32 as the type of its result."""
    for attribute in node.attribute:
        if (node.op_type, attribute.name) in (("Cast", "to"), ("EyeLike", "dtype")) and attribute.i == 1:
            yield attribute


def _drop_unused(graph: Any) -> None:
    used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
