"""An ONNX graph built into a plan: one way for TensorRT 10, TensorRT 11 and TensorRT for RTX.

It belongs into a process of its own (engines.build_child): without a driver the objects of TensorRT can crash the
interpreter, even long after they were used.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from engines.tensorrt_api import Api
from pipeline.errors import BackendError

# Compute capability -> member of ComputeCapability, of GPUs that RTX builds for only alone and where it is said.
_ALONE = MappingProxyType({"7.5": "SM75"})
Progress = Callable[[str, float], bool]  # phase and done 0..1 of the whole; False stops the build


@dataclass(frozen=True, slots=True)
class NodeError:
    """What TensorRT's parser has against one node."""

    node: str  # its name; empty where the error is about the file
    operator: str
    description: str
    code: str  # a member of ErrorCode


class ParseError(Exception):
    """An ONNX graph that TensorRT's parser does not take."""

    def __init__(self, errors: Sequence[NodeError]) -> None:
        super().__init__("; ".join(f"{error.operator} {error.node}: {error.description}" for error in errors))
        self.errors = tuple(errors)


class BuildFailed(Exception):  # noqa: N818 it is no defect
    """A graph that was parsed and that TensorRT does not build; the text is its last error."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The shapes of the input that a plan is made for; equal for one shape alone."""

    least: tuple[int, ...]
    best: tuple[int, ...]
    most: tuple[int, ...]


def build(
    api: Api,
    onnx: bytes,
    profiles: Sequence[Profile],
    *,
    workspace_mib: int | None = None,
    optimisation_level: int | None = None,
    compute_capability: str = "",
    timing_cache: bytes | None = None,
    progress: Progress = lambda phase, done: True,
) -> tuple[bytes, bytes]:
    """Build a plan.

    Args:
        onnx: the graph; its types are kept as they are, with no TF32 in place of float32.
        profiles: one for each shape of the only input; none where the graph fixes it.
        workspace_mib: memory that a layer may use beside its inputs and outputs; None: TensorRT's choice.
        optimisation_level: 0 to 5; None: TensorRT's choice.
        compute_capability: of the GPU that it is for, such as 7.5; empty: of those that RTX knows where nothing is
            said. TensorRT builds for the GPU that is here.
        timing_cache: what an earlier build measured; None: begin anew. Not used for RTX, which measures nothing.
        progress: told about every step.

    Returns:
        The plan, and what was measured (empty for RTX).

    Raises:
        ParseError: the parser refuses the graph.
        BuildFailed: the graph was parsed and cannot be built, or `progress` stopped it.
        BackendError: the product gives no builder, or does not take the profiles.
    """
    trt = api.trt
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        builder = api.made("builder", lambda: trt.Builder(api.logger))
        network = api.checked(builder.create_network(strongly_typed(trt)), "network")
        parser = api.made("ONNX parser", lambda: trt.OnnxParser(network, api.logger))
        api.kept.extend((builder, network, parser))
        if not parser.parse(onnx) or not network.num_outputs or not network.num_layers:
            raise ParseError(_errors(parser))
        config = api.checked(builder.create_builder_config(), "builder configuration")
        config.clear_flag(trt.BuilderFlag.TF32)
        if api.product == "tensorrt-rtx":  # else it may allocate while it runs, which no CUDA graph can hold
            config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
            _set_target(api, config, compute_capability)
        config.profiling_verbosity = trt.ProfilingVerbosity.LAYER_NAMES_ONLY
        if workspace_mib is not None:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_mib << 20)
        if optimisation_level is not None:
            config.builder_optimization_level = optimisation_level
        monitor = _monitor(trt, progress)
        config.progress_monitor = monitor
        api.kept.extend((config, monitor))
        cache = None if api.product == "tensorrt-rtx" else _set_timing_cache(api, config, timing_cache or b"")
        for profile in profiles:
            _add_profile(api, builder, network, config, profile)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise BuildFailed(api.last_error())
        api.kept.extend((plan, cache))
        return bytes(plan), b"" if cache is None else _serialized(config.get_timing_cache())


def strongly_typed(trt: Any) -> int:
    """The flags of a network whose types are those of its graph; the flag's number is another in each version."""
    member = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if member is None else 1 << int(member)  # where it is gone there is no other way


def _add_profile(api: Api, builder: Any, network: Any, config: Any, profile: Profile) -> None:
    made = api.checked(builder.create_optimization_profile(), "optimisation profile")
    if network.num_inputs != 1:
        raise BackendError(f"expected a network with one input, this has {network.num_inputs}")
    name = network.get_input(0).name
    try:
        made.set_shape(name, profile.least, profile.best, profile.most)
    except (ValueError, TypeError) as error:
        raise BackendError(f"{api.product} does not take the shapes {profile}: {error}") from error
    if config.add_optimization_profile(made) < 0:
        raise BackendError(f"{api.product} does not take the shapes {profile}: {api.last_error()}")


def _set_target(api: Api, config: Any, compute_capability: str) -> None:
    if (member := _ALONE.get(compute_capability)) is None:
        return
    config.num_compute_capabilities = 1
    if not config.set_compute_capability(getattr(api.trt.ComputeCapability, member), 0):
        raise BackendError(f"{api.product} does not build for compute capability {compute_capability}")


def _set_timing_cache(api: Api, config: Any, stored: bytes) -> Any:
    """A timing cache of what is stored; of nothing where that belongs to another version or is broken."""
    for data in (stored, b"") if stored else (b"",):
        cache = config.create_timing_cache(data)
        if cache is not None and config.set_timing_cache(cache, False):
            return cache
    raise BackendError(f"{api.product} {api.version} gave no timing cache: {api.last_error()}")


def _serialized(cache: Any) -> bytes:
    data = None if cache is None else cache.serialize()
    return b"" if data is None else bytes(data)


def _errors(parser: Any) -> list[NodeError]:
    found = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        told = (error.node_name() or "", error.node_operator() or "", error.desc() or "")
        found.append(NodeError(*told, error.code().name))
    return found or [NodeError("", "", "the file holds no graph", "MODEL_DESERIALIZE_FAILED")]


def _monitor(trt: Any, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Phases are nested; what is done is the sum over the open ones of their share in the one around them."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._open: list[list[Any]] = []  # name, steps, steps done
            self._most = 0.0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._open.append([phase_name, max(1, num_steps), 0])

        def step_complete(self, phase_name: str, step: int) -> bool:
            for phase in self._open:
                if phase[0] == phase_name:
                    phase[2] = min(step + 1, phase[1])
            return self._tell()

        def phase_finish(self, phase_name: str) -> None:
            for at in range(len(self._open) - 1, -1, -1):
                if self._open[at][0] == phase_name:
                    del self._open[at:]
                    break
            self._tell()

        def _tell(self) -> bool:
            done, share = 0.0, 1.0
            for _, steps, finished in self._open:
                share /= steps
                done += share * finished
            self._most = max(self._most, min(done, 1.0)) if self._open else self._most
            return progress(self._open[-1][0] if self._open else "", self._most)

    return Monitor()
