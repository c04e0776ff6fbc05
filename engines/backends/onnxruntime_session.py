"""What the files for ONNX Runtime share: the package, its sessions, and its errors as ours."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from engines.telemetry import refuse_telemetry
from pipeline.errors import BackendError, ModelError, UserError
from pipeline.types import Card

_SIGNATURE = r"(?:[^()]|\([^()]*\))*?\([^()]*\)(?: const)?(?: \[with [^\]]*\])?"  # of a function in C++
_SILENT = 4  # fatal errors only: everything else reaches the user as our sentence


class LeftToCpuError(BackendError):
    """Not all of a network runs where it was asked to run."""


def import_runtime() -> Any:
    """The package; BackendError where it is not installed as a whole."""
    refuse_telemetry()
    try:
        import onnxruntime
    except (ImportError, OSError) as error:  # OSError: a library that it needs is missing
        raise BackendError(f"onnxruntime cannot be imported: {error}", hint="pip install onnxruntime") from error
    if not hasattr(onnxruntime, "InferenceSession"):  # what is left of it after one of two packages was removed
        raise BackendError(
            "onnxruntime is installed incompletely",
            hint="uninstall onnxruntime and onnxruntime-gpu, install one again",
        )
    return onnxruntime


def new_settings(ort: Any) -> Any:
    """SessionOptions that keep quiet and optimise as far as they can."""
    settings = ort.SessionOptions()
    settings.log_severity_level = _SILENT
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return settings


def open_session(ort: Any, card: Card, settings: Any, providers: list[Any], model: bytes | None = None) -> Any:
    """An InferenceSession of a network, or of a part of it; BackendError or ModelError where it cannot be made."""
    try:
        # No falling back to the CPU by itself, which is told on standard output and hides the reason.
        return ort.InferenceSession(model or str(card.path), settings, providers=providers, enable_fallback=0)
    except runtime_errors() as error:
        raise _refusal(card, error) from error


def _refusal(card: Card, error: Exception) -> UserError:
    kind, reason = type(error).__name__, sentence(error)
    if kind in ("InvalidProtobuf", "NoSuchFile", "NoModel"):
        return ModelError(f"{card.path.name}: not a whole ONNX file: {reason}", hint="export or download it again")
    if "CPU EP" in reason:  # session.disable_cpu_ep_fallback
        return LeftToCpuError("CUDA would leave part of the network to the CPU")
    return BackendError(f"ONNX Runtime cannot load {card.path.name}: {reason}")


def runtime_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its exceptions have no class in common."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*kinds, RuntimeError, ValueError)


def sentence(error: Exception) -> str:
    """ONNX Runtime's message without its codes, its places in source code and line breaks."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(rf"/onnxruntime_src/\S+:\d+ {_SIGNATURE} ", "", text)
    text = re.sub(r"^Load model from .*? failed: ?", "", text)
    return text.removeprefix("Fatal error: ").removesuffix(".")[:300]


def dtype_of(name: str) -> Any:
    """`tensor(float)` as NumPy has it."""
    inside = name[len("tensor(") : -1]
    try:
        return np.dtype({"float": "float32", "double": "float64"}.get(inside, inside))
    except TypeError as error:
        raise BackendError(f"an output is {name}, which NumPy has not") from error
