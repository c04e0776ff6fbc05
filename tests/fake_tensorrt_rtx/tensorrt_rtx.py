"""A TensorRT for RTX over tests/fake_tensorrt: contexts compile, and what compiles may be shared; runs may allocate.

As the real one a plan that was built without REQUIRE_USER_ALLOCATION (`"allocates": true`) takes memory while it
runs, and says of itself that it cannot be captured.
"""

from __future__ import annotations

import ctypes
import enum
import weakref
from typing import Any

import tensorrt
from tensorrt import *  # noqa: F403 what is alike
from tensorrt import __version__ as __version__

DynamicShapesKernelSpecializationStrategy = enum.Enum(
    "DynamicShapesKernelSpecializationStrategy", ["LAZY", "EAGER", "NONE"]
)
compiled: list[str] = []  # by whom: a cache, or a context alone


class IRuntimeCache:
    def __init__(self) -> None:
        self.kernels: set[str] = set()

    def serialize(self) -> bytes:
        return "\n".join(sorted(self.kernels)).encode()

    def deserialize(self, blob: bytes) -> bool:
        self.kernels |= set(blob.decode().splitlines())
        return True


class IRuntimeConfig:
    def __init__(self) -> None:
        self.dynamic_shapes_kernel_specialization_strategy = DynamicShapesKernelSpecializationStrategy.LAZY
        self.cache = IRuntimeCache()

    def create_runtime_cache(self) -> IRuntimeCache:
        return IRuntimeCache()

    def set_runtime_cache(self, cache: IRuntimeCache) -> bool:
        self.cache = cache
        return True


class Runtime(tensorrt.Runtime):
    def engine(self, about: dict[str, Any], onnx: bytes, memory: ctypes.c_void_p) -> ICudaEngine:
        return ICudaEngine(about, onnx, memory)


class ICudaEngine(tensorrt.ICudaEngine):
    def create_runtime_config(self) -> IRuntimeConfig:
        return IRuntimeConfig()

    def create_execution_context(self, runtime_config: IRuntimeConfig) -> IExecutionContext | None:
        memory = tensorrt.allocate(self.device_memory_size_v2)
        return None if memory is None else IExecutionContext(self, memory, runtime_config)


class IExecutionContext(tensorrt.IExecutionContext):
    def __init__(self, engine: ICudaEngine, memory: ctypes.c_void_p, config: IRuntimeConfig) -> None:
        super().__init__(engine, memory)
        self.config, self.cache = weakref.ref(config), config.cache  # whether the real one needs it, nobody says

    def is_stream_capturable(self, stream: int) -> bool:
        assert set(self.addresses) == set(self.engine.tensors)
        return bool(self.ran) and not self.engine.about.get("allocates")

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert self.config() is not None, "the configuration of a context is gone"
        kernels = str(sorted(self.shapes.items()))
        if kernels not in self.cache.kernels:
            self.cache.kernels.add(kernels)
            compiled.append(kernels)
        if not self.engine.about.get("allocates"):
            return super().execute_async_v3(stream_handle)
        memory = tensorrt.allocate(1024)
        return super().execute_async_v3(stream_handle) and not tensorrt._cuda.cuMemFree_v2(memory)
