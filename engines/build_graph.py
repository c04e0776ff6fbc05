"""The graph that a plan is built of: in the precision that is wanted, for the shapes that are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, get_args

from engines.backends.base import usual_hw
from engines.byte_outputs import by_way_of_floats
from engines.half import HEAVY, to_half
from engines.manifest import Precision, Shapes
from engines.onnx_header import read_onnx_header
from engines.scalings import as_products
from pipeline.errors import ModelError
from pipeline.types import Card

MOST_PROFILES = 32
_LARGEST = (1 << 31) - (1 << 24)  # bytes of weights; a protobuf message has less than 2 GiB
Batch = tuple[int, int]  # least and most; the plan is made best for the most


def load_graph(card: Card) -> Any:
    """The ONNX model of a card, onnx.ModelProto, with scaled channels and outputs of bytes as GPUs take them best.

    Raises:
        ModelError: it is broken, or too large for one file of ONNX.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(card.path)
    except (OSError, DecodeError, ValueError, onnx.checker.ValidationError) as error:
        raise ModelError(f"{card.path}: cannot be read as ONNX: {error}", hint="export the model again") from error
    if sum(read_onnx_header(card.path).weights_in.values()) > _LARGEST:
        raise ModelError(f"{card.path}: its weights have more than 2 GiB, which no single file of ONNX holds")
    return by_way_of_floats(as_products(model))


def in_precision(model: Any, name: str, wanted: str | None, product: str) -> tuple[bytes, Precision]:
    """The graph to build and its precision, which is a matter of the graph alone.

    Raises:
        ModelError: the graph cannot be had in that precision.
    """
    if wanted is not None and wanted not in get_args(Precision):
        known = ", ".join(get_args(Precision))
        raise ModelError(f"precision {wanted}: dashmask has no {wanted} for {product}, it has {known}")
    own = _own_precision(model)
    kind = cast(Precision, wanted or own)
    if kind == "fp16" and own == "fp32":
        return to_half(model, name).SerializeToString(), kind
    if kind == own:
        return model.SerializeToString(), kind
    if kind == "int8":
        raise ModelError(
            f"{name}: is not quantised: it has no QuantizeLinear and DequantizeLinear",
            hint=f"`dashmask quantize {name} --frames CLIP` makes a model that has",
        )
    raise ModelError(f"{name}: is {own} itself, {kind} was asked for", hint=f"build it with --precision {own}")


def _own_precision(model: Any) -> Precision:
    from onnx import TensorProto

    operators = {node.op_type for node in model.graph.node}
    if {"QuantizeLinear", "DequantizeLinear"} & operators:
        return "int8"
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    heavy = {kinds.get(name) for node in model.graph.node if node.op_type in HEAVY for name in node.input}
    return "fp16" if TensorProto.FLOAT16 in heavy else "fp32"


def profiles_of(
    card: Card, shapes_hw: Sequence[tuple[int, int]], batches: Sequence[Batch]
) -> tuple[tuple[Shapes, ...], tuple[int, int, int, int]]:
    """The profiles, none where the graph fixes its shape, and that shape or the best of the first profile.

    Args:
        card: of the network.
        shapes_hw: heights and widths, pixels; none: that of 16:9 footage.
        batches: how many frames at once.

    Raises:
        ModelError: a shape or a batch that the network does not take, or too many of them.
    """
    spec, name = card.input, card.path.name
    shape = next(tensor.shape for tensor in read_onnx_header(card.path).inputs if tensor.name == spec.name)
    assert shape is not None  # engines.card has seen to that
    for height, width in shapes_hw:
        for asked, fixed in zip((height, width), spec.size_hw, strict=True):
            if fixed not in (None, asked):
                own = "x".join("any" if side is None else str(side) for side in reversed(spec.size_hw))
                raise ModelError(f"{name}: takes {own} only, {width}x{height} was asked for")
            if fixed is None and (asked < 1 or asked % spec.stride):
                near = "x".join(str(-(-side // spec.stride) * spec.stride) for side in (width, height))
                raise ModelError(
                    f"{name}: takes multiples of {spec.stride}, {width}x{height} was asked for", hint=f"try {near}"
                )
    if any(least < 1 or most < least for least, most in batches) or not batches:
        raise ModelError(f"{name}: a batch must be 1 or more frames")
    if shape[0] is not None and any(batch != (shape[0], shape[0]) for batch in batches):
        raise ModelError(
            f"{name}: takes batches of {shape[0]} only", hint="export it with a free batch: `dashmask export` does"
        )
    made = []
    for height, width in dict.fromkeys(shapes_hw or [usual_hw(spec)]):
        for least, most in dict.fromkeys(batches):
            largest = spec.shape((height, width), most)
            made.append(Shapes(spec.shape((height, width), least), largest, largest))
    if len(made) > MOST_PROFILES:
        raise ModelError(f"{name}: {len(made)} shapes and batches, at most {MOST_PROFILES} go into one plan")
    return () if None not in shape else tuple(made), made[0].best
