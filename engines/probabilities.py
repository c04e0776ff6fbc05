"""Whether an output of a network is a probability, 0 to 1, or a logit: its file's last operators say so."""

from __future__ import annotations

import mmap
from pathlib import Path

from engines.onnx_graph import read_graph
from engines.protobuf import BrokenError

_MAKE = frozenset({"HardSigmoid", "Sigmoid", "Softmax"})
_KEEP = frozenset(  # what they give lies between the least and the largest of what they are given
    {"Cast", "Clip", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"}
)
_MIX = frozenset({"Resize", "Upsample"})  # the same but for cubic overshoots, which change no side of a half


def is_probability(path: Path, output: str) -> bool:
    """Whether an output comes from a Sigmoid or Softmax by way of nothing that would take it out of 0 to 1.

    Args:
        path: of the ONNX file; of its weights nothing is read.
        output: its name.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            graph = read_graph(data)
    except (OSError, ValueError, BrokenError):  # ValueError: an empty file
        return False
    makers = {name: node for node in graph.nodes for name in node.outputs}
    for _ in range(len(graph.nodes)):
        node = makers.get(output)
        if node is None or node.kind in _MAKE:
            return node is not None
        if node.kind not in _KEEP | _MIX or not node.inputs:
            return False
        output = node.inputs[0]
    return False
