"""What TensorRT has against a network, in sentences that name the node and say what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pipeline.errors import BackendError, ModelError, UserError

_UNPOOL = "`dashmask export` writes max-unpooling as operators that every runtime has"
_NMS = "export the network without NMS: dashmask does that itself"
_HINTS = {
    "NonMaxSuppression": _NMS,
    "NonZero": f"where it is of NMS, {_NMS}",
    "MaxUnpool": _UNPOOL,
    "QuantizeLinear": "quantise symmetrically to int8, as `dashmask quantize` does",
    "DequantizeLinear": "quantise symmetrically to int8, as `dashmask quantize` does",
}
_MEMORY = re.compile(
    r"out of ?memory|OutOfMemory|insufficient memory|could not be allocated|cudaErrorMemoryAllocation|bad_alloc", re.I
)
_WORKSPACE = re.compile(r"insufficient workspace|workspace.{0,40}(too small|exceed)|within workspace limit", re.I)
_NO_KERNEL = re.compile(r"(\S+) has no runners|could not find any implementation for node (\{.*?\}|\S+)", re.I)
_PLACE = re.compile(r"\s*\(?In \S+ at \S+?\)?(?=\s|\)|$)")


def refused(model: str, product: str, parse: Sequence[Sequence[str]]) -> UserError:
    """The error for a graph that the parser does not take.

    Args:
        model: the file's name.
        product: and version, for people.
        parse: node, operator, description and code of each error.
    """
    node, operator, description, _ = parse[0]
    if not operator:
        return ModelError(f"{model}: {product} cannot read it: {_plain(description)}", hint="export the model again")
    others = sorted({one[1] for one in parse[1:] if one[1]} - {operator})
    more = f"; nor {', '.join(others)}" if others else ""
    if "Plugin not found" in description:
        why = "it is no operator of ONNX that is known, and there is no plugin of that name"
    elif "zero point is not supported" in description:
        why = "its zero point is not 0"
    elif operator == "MaxPool" and "outputs" in description:
        why = "pooling that gives indices is not supported"
    elif description.strip() in ("", "false") or "was not found in plugin registry" in description:
        why = "the operator is not supported"
    else:
        why = _plain(description)
    hint = _UNPOOL if operator == "MaxPool" else _HINTS.get(operator, "")
    hint = hint or next((_HINTS[name] for name in others if name in _HINTS), "")
    return ModelError(f"{model}: {product} does not take {operator} `{node}`: {why}{more}", hint=hint)


def failed(model: str, product: str, said: str, nodes: Mapping[str, str], workspace_mib: int | None) -> UserError:
    """The error for a graph that was parsed and not built.

    Args:
        model: the file's name.
        product: and version, for people.
        said: TensorRT's last error.
        nodes: names of the graph's nodes -> operators.
        workspace_mib: what was allowed.
    """
    if _MEMORY.search(said):
        return BackendError(
            f"{model}: the GPU has too little free memory to build it with {product}: {_plain(said)}",
            hint="close what else uses the GPU, give fewer or smaller --shapes and --batch, or less --workspace-mib",
        )
    if _WORKSPACE.search(said):
        given = "the memory" if workspace_mib is None else f"{workspace_mib} MiB"
        return BackendError(
            f"{model}: {given} for workspace is too little for {product}: {_plain(said)}",
            hint="give more with --workspace-mib",
        )
    name = _node_in(said, nodes)
    operator = nodes.get(name, "")
    if _NO_KERNEL.search(said) and name:
        return ModelError(
            f"{model}: {product} takes {operator} `{name}` but has nothing that computes it",
            hint=_HINTS.get(operator, ""),
        )
    where = f" at {operator} `{name}`" if name else ""
    return BackendError(f"{model}: {product} cannot build it{where}: {_plain(said)}")


def _node_in(said: str, nodes: Mapping[str, str]) -> str:
    """The longest node name in a text; TensorRT hangs numbers on them."""
    found = [name for name in nodes if name and re.search(rf"(?<![\w/]){re.escape(name)}(?![A-Za-z/])", said)]
    return max(found, key=len, default="")


def _plain(said: str) -> str:
    """One line, without the places in TensorRT's sources."""
    text = " ".join(said.split())
    text = re.sub(r"^.*?Error Code \d+: ", "", text)
    text = re.sub(r"^\[\S+::\d+\] ", "", text)
    text = re.sub(r"^Assertion failed: (\(.*?\)|\S+\(.*?\)): ", "", text)  # the condition, in C++
    text = _PLACE.sub("", text)
    return text.rstrip(". ")
