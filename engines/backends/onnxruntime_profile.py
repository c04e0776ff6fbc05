"""What ran where, from ONNX Runtime's profile of a run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

_SHAPE_TYPES = ("int64", "int32", "bool")
_MOST_SHAPE_NUMBERS = 64  # in a tensor that is arithmetic of shapes


def left_to_cpu(events: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Operators that ran on the CPU and are no arithmetic of shapes, with their numbers.

    Args:
        events: of ONNX Runtime's profile of one run.
    """
    left: Counter[str] = Counter()
    for event in events:
        told = event.get("args", {})
        if event.get("cat") != "Node" or told.get("provider") != "CPUExecutionProvider":
            continue
        for tensor in told.get("output_type_shape", [{"unknown": []}]):
            ((kind, shape),) = tensor.items()
            if kind not in _SHAPE_TYPES or math.prod(shape) > _MOST_SHAPE_NUMBERS:
                left[str(told.get("op_name", "an operator"))] += 1
                break
    return left
