"""The CUDA libraries that ONNX Runtime's CUDA provider needs: loaded first, and named where they are missing.

The provider itself is never loaded here: only ONNX Runtime may do that, which gives it what it works with.
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any


def preload(ort: Any) -> str:
    """Load what pip installed of CUDA, or the system has; legal twice.

    Returns:
        What ONNX Runtime says of libraries that are missing, which it prints; empty where none is.
    """
    if not hasattr(ort, "preload_dlls"):
        return ""
    with redirect_stdout(io.StringIO()) as said:  # our own output is for people and pipes
        ort.preload_dlls()
    lines = [line.strip() for line in said.getvalue().splitlines()]
    return "; ".join(line.removeprefix("Failed to load ") for line in lines if line.startswith("Failed to load "))
