"""The CUDA libraries that ONNX Runtime's CUDA provider needs: loaded first, and named where they are missing."""

from __future__ import annotations

import ctypes
import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

_CAPI = "capi/libonnxruntime_providers_{}.so"


def preload(ort: Any) -> None:
    """Load what pip installed of CUDA; what ONNX Runtime prints about the rest does not go among our own output."""
    if hasattr(ort, "preload_dlls"):
        with redirect_stdout(io.StringIO()):
            ort.preload_dlls()


def why_no_cuda(ort: Any) -> str:
    """What the loader has against the CUDA provider, such as a library that is missing; empty: nothing.

    ONNX Runtime says it in its log alone, and goes on with the CPU.
    """
    folder = Path(ort.__file__).parent
    try:
        ctypes.CDLL(str(folder / _CAPI.format("shared")), mode=ctypes.RTLD_GLOBAL)  # the provider's symbols
        ctypes.CDLL(str(folder / _CAPI.format("cuda")))
    except OSError as error:
        return str(error)
    return ""
