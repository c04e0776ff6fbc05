"""Every name of TensorRT's Python bindings that our code uses, so that a test can hold it against the real ones.

The bindings of TensorRT 10, TensorRT 11 and TensorRT for RTX differ in what they have. A name is checked by what the
bindings themselves say of it: a method's arguments are in the first line of its docstring.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["class", "call", "read", "write", "member", "override"]
EVERY = ("tensorrt", "tensorrt-rtx")


@dataclass(frozen=True, slots=True)
class Name:
    """One name, as our code uses it."""

    path: str  # Class, or Class.attribute
    kind: Kind = "call"  # override: called by TensorRT, written by us
    arguments: tuple[str, ...] = ()  # that are given, by position
    products: tuple[str, ...] = EVERY  # in which it is used


_TENSORRT = ("tensorrt",)
_RTX = ("tensorrt-rtx",)

USED: tuple[Name, ...] = (
    # the logger
    Name("ILogger", "class"),
    Name("ILogger.__init__"),
    Name("ILogger.log", "override", ("severity", "msg")),
    *(Name(f"ILogger.Severity.{name}", "member") for name in ("INTERNAL_ERROR", "ERROR", "VERBOSE")),
    Name("Logger.__init__", "call", ("min_severity",)),  # in engines.probe
    # the builder
    Name("Builder", "class"),
    Name("Builder.__init__", "call", ("logger",)),
    Name("Builder.create_network", "call", ("flags",)),
    Name("Builder.create_builder_config"),
    Name("Builder.create_optimization_profile"),
    Name("Builder.build_serialized_network", "call", ("network", "config")),
    Name("NetworkDefinitionCreationFlag.STRONGLY_TYPED", "member"),
    Name("INetworkDefinition.num_inputs", "read"),
    Name("INetworkDefinition.get_input", "call", ("index",)),
    Name("INetworkDefinition.num_outputs", "read"),
    Name("INetworkDefinition.num_layers", "read"),
    Name("ITensor.name", "read"),
    Name("ITensor.shape", "read"),
    Name("IBuilderConfig.clear_flag", "call", ("flag",)),
    Name("BuilderFlag.TF32", "member"),
    Name("IBuilderConfig.set_flag", "call", ("flag",), _RTX),
    Name("BuilderFlag.REQUIRE_USER_ALLOCATION", "member", (), _RTX),
    Name("IBuilderConfig.num_compute_capabilities", "write", (), _RTX),
    Name("IBuilderConfig.set_compute_capability", "call", ("compute_capability", "index"), _RTX),
    Name("ComputeCapability.SM75", "member", (), _RTX),
    Name("IBuilderConfig.set_memory_pool_limit", "call", ("pool", "pool_size")),
    Name("MemoryPoolType.WORKSPACE", "member"),
    Name("IBuilderConfig.builder_optimization_level", "write"),
    Name("IBuilderConfig.progress_monitor", "write"),
    Name("IBuilderConfig.profiling_verbosity", "write"),
    Name("ProfilingVerbosity.LAYER_NAMES_ONLY", "member"),
    Name("IBuilderConfig.add_optimization_profile", "call", ("profile",)),
    Name("IOptimizationProfile.set_shape", "call", ("input", "min", "opt", "max")),
    Name("IBuilderConfig.create_timing_cache", "call", ("serialized_timing_cache",), _TENSORRT),
    Name("IBuilderConfig.set_timing_cache", "call", ("cache", "ignore_mismatch"), _TENSORRT),
    Name("IBuilderConfig.get_timing_cache", "call", (), _TENSORRT),
    Name("ITimingCache.serialize", "call", (), _TENSORRT),
    Name("IProgressMonitor", "class"),
    Name("IProgressMonitor.__init__"),
    Name("IProgressMonitor.phase_start", "override", ("phase_name", "parent_phase", "num_steps")),
    Name("IProgressMonitor.step_complete", "override", ("phase_name", "step")),
    Name("IProgressMonitor.phase_finish", "override", ("phase_name",)),
    # the ONNX parser
    Name("OnnxParser", "class"),
    Name("OnnxParser.__init__", "call", ("network", "logger")),
    Name("OnnxParser.parse", "call", ("model",)),
    Name("OnnxParser.num_errors", "read"),
    Name("OnnxParser.get_error", "call", ("index",)),
    Name("ParserError.code"),
    Name("ParserError.desc"),
    Name("ParserError.node_name"),
    Name("ParserError.node_operator"),
    # an engine
    Name("Runtime", "class"),
    Name("Runtime.__init__", "call", ("logger",)),
    Name("Runtime.deserialize_cuda_engine", "call", ("serialized_engine",)),
    Name("ICudaEngine.num_io_tensors", "read"),
    Name("ICudaEngine.num_optimization_profiles", "read"),
    Name("ICudaEngine.device_memory_size_v2", "read"),
    Name("ICudaEngine.get_tensor_name", "call", ("index",)),
    Name("ICudaEngine.get_tensor_mode", "call", ("name",)),
    Name("ICudaEngine.get_tensor_dtype", "call", ("name",)),
    Name("ICudaEngine.get_tensor_shape", "call", ("name",)),
    Name("ICudaEngine.get_tensor_format", "call", ("name",)),
    Name("ICudaEngine.get_tensor_location", "call", ("name",)),
    Name("ICudaEngine.get_tensor_profile_shape", "call", ("name", "profile_index")),
    Name("TensorIOMode.INPUT", "member"),
    Name("TensorFormat.LINEAR", "member"),
    Name("TensorLocation.DEVICE", "member"),
    *(
        Name(f"DataType.{name}", "member")
        for name in ("FLOAT", "HALF", "BF16", "INT8", "UINT8", "INT32", "INT64", "BOOL")
    ),
    Name("ICudaEngine.create_execution_context", "call", (), _TENSORRT),
    Name("ICudaEngine.create_runtime_config", "call", (), _RTX),
    Name("ICudaEngine.create_execution_context", "call", ("runtime_config",), _RTX),
    Name("IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy", "write", (), _RTX),
    Name("DynamicShapesKernelSpecializationStrategy.EAGER", "member", (), _RTX),
    Name("IRuntimeConfig.create_runtime_cache", "call", (), _RTX),
    Name("IRuntimeConfig.set_runtime_cache", "call", ("cache",), _RTX),
    Name("IRuntimeCache.deserialize", "call", ("blob",), _RTX),
    Name("IRuntimeCache.serialize", "call", (), _RTX),
    # an execution context
    Name("IExecutionContext.set_optimization_profile_async", "call", ("profile_index", "stream_handle")),
    Name("IExecutionContext.set_input_shape", "call", ("name", "shape")),
    Name("IExecutionContext.get_tensor_shape", "call", ("name",)),
    Name("IExecutionContext.set_tensor_address", "call", ("name", "memory")),
    Name("IExecutionContext.infer_shapes"),
    Name("IExecutionContext.execute_async_v3", "call", ("stream_handle",)),
    Name("IExecutionContext.is_stream_capturable", "call", ("stream",), _RTX),
)


def differences(module: Any, product: str, used: Sequence[Name] = USED) -> list[str]:
    """What our code expects of the bindings and they do not have, one sentence each; empty where all fits.

    Args:
        module: the bindings, imported.
        product: tensorrt or tensorrt-rtx.
        used: names.
    """
    said = (_difference(module, name) for name in used if product in name.products)
    return [sentence for sentence in said if sentence]


def _difference(module: Any, name: Name) -> str:
    *owners, last = name.path.split(".")
    owner = module
    for part in owners:
        owner = getattr(owner, part, None)
        if owner is None:
            return f"{name.path}: there is no {part}"
    if name.kind == "member":
        return "" if last in getattr(owner, "__members__", {}) else f"{name.path}: no such member"
    found = inspect.getattr_static(owner, last, None) if inspect.isclass(owner) else getattr(owner, last, None)
    if found is None:
        return f"{name.path}: no such name"
    if name.kind == "class":
        return "" if inspect.isclass(found) else f"{name.path}: not a class"
    if name.kind in ("read", "write"):
        if not isinstance(found, property):
            return f"{name.path}: not a property"
        return f"{name.path}: cannot be set" if name.kind == "write" and found.fset is None else ""
    if isinstance(found, property) or not callable(getattr(owner, last)):
        return f"{name.path}: not a method"
    overloads = _overloads(getattr(owner, last).__doc__ or "", last)
    whole = name.kind == "override"  # TensorRT gives every argument
    if any(_takes(parameters, name.arguments, whole) for parameters in overloads):
        return ""
    shown = " or ".join(f"({', '.join(parameter for parameter, _ in one)})" for one in overloads) or "unknown"
    return f"{name.path}: takes {shown}, is given ({', '.join(name.arguments)})"


def _takes(parameters: Sequence[tuple[str, bool]], arguments: Sequence[str], whole: bool) -> bool:
    given, rest = parameters[: len(arguments)], parameters[len(arguments) :]
    return [name for name, _ in given] == list(arguments) and all(free and not whole for _, free in rest)


def _overloads(doc: str, method: str) -> list[list[tuple[str, bool]]]:
    """Parameters without self, and whether they may be left out, of each signature that pybind11 wrote down."""
    found = []
    for line in doc.splitlines():
        match = re.match(rf"\s*(?:\d+\. )?{re.escape(method)}\((.*)\) -> ", line)
        if match and "*args" not in match[1]:
            parts = _split(match[1])
            found.append([(part.partition(":")[0].strip(), " = " in part) for part in parts[1:]])
    return found


def _split(text: str) -> list[str]:
    """At commas that are in no bracket."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{<") - (letter in ")]}>")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()]
