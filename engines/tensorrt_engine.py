"""A TensorRT engine and its execution contexts, with every status and every None checked.

They live on the GPU: the CUDA context must be current when they are made and when they are closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engines.tensorrt_api import Api
from pipeline.errors import BackendError

# members of DataType -> names of NumPy (bfloat16 is none of them)
_DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "BF16": "bfloat16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}


@dataclass(frozen=True, slots=True)
class IoTensor:
    """An input or output of an engine, in device memory, row-major."""

    name: str
    is_input: bool
    dtype: str  # as NumPy names it
    shape: tuple[int, ...]  # -1: free


class Engine:
    """A plan, loaded.

    Args:
        api: the bindings of the product that built it.
        plan: its bytes.
        compiled: what RTX compiled for this GPU at another time, see `compiled`; what is of no use is left alone.

    Raises:
        BackendError: TensorRT does not take the plan, or it has a tensor that is not in device memory, not
            row-major or of a type that NumPy has not.
    """

    def __init__(self, api: Api, plan: bytes, compiled: bytes = b"") -> None:
        self._api, trt = api, api.trt
        self._compiled: Any = None  # what RTX compiled for this GPU, for all contexts
        self._kept = compiled
        self._runtime = api.made("runtime", lambda: trt.Runtime(api.logger))
        self._engine = api.checked(self._runtime.deserialize_cuda_engine(plan), "engine")
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        try:
            self.tensors = tuple(self._tensor(name) for name in names)
        except BackendError:
            self.close()  # now, while the context is current: the error keeps this object
            raise
        self.profiles: int = self._engine.num_optimization_profiles
        self.device_memory: int = self._engine.device_memory_size_v2  # bytes that each context takes

    def shapes(self, name: str, profile: int) -> tuple[tuple[int, ...], ...]:
        """The least, best and largest shape of an input in an optimisation profile."""
        found = self._api.checked(self._engine.get_tensor_profile_shape(name, profile), f"profile {profile}")
        return tuple(tuple(shape) for shape in found)

    def context(self) -> Context:
        """What runs it, with device memory of its own.

        Raises:
            BackendError: there is no memory for it, or RTX cannot compile for this GPU.
        """
        api, trt = self._api, self._api.trt
        config: Any = None
        if api.product == "tensorrt-rtx":
            config = api.checked(self._engine.create_runtime_config(), "runtime configuration")
            # Kernels for a shape are made when it comes first and never exchanged later: results stay the same.
            strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
            config.dynamic_shapes_kernel_specialization_strategy = strategy
            if self._compiled is None:
                self._compiled = api.checked(config.create_runtime_cache(), "runtime cache")
                if self._kept:
                    self._compiled.deserialize(self._kept)
            config.set_runtime_cache(self._compiled)  # without it every context compiles anew, which takes seconds
            made = self._engine.create_execution_context(config)
        else:
            made = self._engine.create_execution_context()
        return Context(api, api.checked(made, "execution context"), config)

    def compiled(self) -> bytes:
        """What RTX compiled so far, for this GPU and driver; empty of TensorRT, which compiles when it builds."""
        said = None if self._compiled is None else self._compiled.serialize()
        return b"" if said is None else bytes(said)

    def close(self) -> None:
        """Let go of the device memory; legal twice. Its contexts must be closed before."""
        self._engine = self._compiled = self._runtime = None

    def _tensor(self, name: str) -> IoTensor:
        trt, engine, product = self._api.trt, self._engine, self._api.product
        dtype = _DTYPES.get(engine.get_tensor_dtype(name).name)
        if dtype is None:
            raise BackendError(f"{product}: {name} is {engine.get_tensor_dtype(name)}, which NumPy has not")
        if engine.get_tensor_location(name) != trt.TensorLocation.DEVICE:
            raise BackendError(f"{product}: {name} is not in device memory")
        if engine.get_tensor_format(name) != trt.TensorFormat.LINEAR:
            raise BackendError(f"{product}: {name} is {engine.get_tensor_format(name)}, expected row-major")
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        return IoTensor(name, is_input, dtype, tuple(engine.get_tensor_shape(name)))


class Context:
    """Runs an engine, one batch at a time; made by Engine.context, of a configuration that RTX may look at later."""

    def __init__(self, api: Api, context: Any, config: Any = None) -> None:
        self._api, self._context, self._config = api, context, config

    def use_profile(self, index: int, stream: int) -> None:
        """Switch to an optimisation profile, in a CUDA stream; every input's shape must be set anew."""
        self._true(self._context.set_optimization_profile_async(index, stream), f"use profile {index}")

    def set_input_shape(self, name: str, shape: Sequence[int]) -> None:
        """The shape of an input, inside the profile in use."""
        self._true(self._context.set_input_shape(name, tuple(shape)), f"take {name} as {tuple(shape)}")

    def set_address(self, name: str, pointer: int) -> None:
        """Where a tensor is in device memory."""
        self._true(self._context.set_tensor_address(name, pointer), f"take the address of {name}")

    def infer_shapes(self) -> None:
        """Compute the outputs' shapes; every input's shape must be set."""
        try:
            missing: list[str] | None = self._context.infer_shapes()
        except RuntimeError:  # for another reason than that some are not given
            missing = None
        if missing is None or missing:
            why = f"{', '.join(missing)} not given" if missing else self._api.last_error()
            raise BackendError(f"{self._api.product} cannot tell the shapes: {why}")

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor, after infer_shapes."""
        found = tuple(self._context.get_tensor_shape(name))
        if any(side < 0 for side in found):
            raise BackendError(f"{self._api.product} cannot tell the shape of {name}: {found}")
        return found

    def enqueue(self, stream: int) -> None:
        """Run once in a CUDA stream; returns before it is done. Captured only where `capturable` says so."""
        self._true(self._context.execute_async_v3(stream), "run the network")

    def capturable(self, stream: int) -> bool:
        """Whether a run can be captured in a CUDA graph; shapes and addresses are set.

        RTX may allocate while it runs: its documentation of IExecutionContext::isStreamCapturable.
        """
        return self._api.product != "tensorrt-rtx" or bool(self._context.is_stream_capturable(stream))

    def close(self) -> None:
        """Let go of its device memory; legal twice."""
        self._context = self._config = None

    def _true(self, done: bool, what: str) -> None:
        if not done:
            raise BackendError(f"{self._api.product} cannot {what}: {self._api.last_error()}")
