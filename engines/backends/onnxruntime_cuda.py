"""ONNX Runtime on CUDA, with inputs and outputs in our own device memory, and strict about what runs where.

A session for each shape of the input: with all sides known ONNX Runtime folds what computes shapes, and everything is
left to CUDA. Where some of it stays (ONNX Runtime puts the arithmetic of shapes on the CPU on purpose, as its results
are needed there), one run is profiled: nothing but such arithmetic may be on the CPU.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends.base import Options, usual_hw
from engines.backends.onnxruntime_profile import left_to_cpu
from engines.backends.onnxruntime_session import (
    LeftToCpuError,
    dtype_of,
    import_runtime,
    new_settings,
    open_session,
    runtime_errors,
    sentence,
)
from engines.backends.slots import Shape, SlotBackend
from engines.device import open_device
from engines.device.base import Device, DeviceBuffer, Stream
from engines.device.errors import LOST, DeviceLostError
from engines.device.ledger import free_each
from pipeline.errors import BackendError
from pipeline.types import Card

SLOTS = 3  # one uploads, one computes, one downloads
_CUDA = "CUDAExecutionProvider"
_MOST_SESSIONS = 4


def open_cuda(card: Card, options: Options) -> SlotBackend:
    """The network on an NVIDIA GPU, all of it: nothing is left to the CPU in silence.

    Raises:
        BackendError: not installed, no GPU, or CUDA cannot take the whole network.
        ModelError: the file is broken.
    """
    ort = import_runtime()
    if options.precision != "f32":
        raise BackendError(f"onnxruntime-cuda has no {options.precision} here, only f32")
    if _CUDA not in ort.get_available_providers():
        raise BackendError(
            f"the installed onnxruntime {ort.__version__} is built without CUDA", hint="install onnxruntime-gpu"
        )
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # the CUDA libraries that pip installed
    return open_on_device(ort, card, options, open_device(), _CUDA, "cuda")


def open_on_device(ort: Any, card: Card, options: Options, device: Device, provider: str, memory: str) -> SlotBackend:
    """The same on a device that is open, which is closed where this fails.

    Args:
        ort: the package.
        provider: CUDAExecutionProvider; tests give another one.
        memory: as ONNX Runtime calls the device's memory: cuda.
    """
    try:
        with device.current():
            backend = SlotBackend(
                "onnxruntime-cuda",
                f"ONNX Runtime {ort.__version__}, CUDA, {device.name}, f32",
                "f32",
                card,
                device,
                CudaRuntime(ort, card, device, provider, memory),
                slots=SLOTS,
            )
    except BaseException:
        with suppress(BackendError):  # the first error is told
            device.close()
        raise
    height, width = options.shape_hw or usual_hw(card.input)
    try:
        backend.warm((1, 3, height, width) if card.input.layout == "nchw" else (1, height, width, 3))
    except BaseException:
        with suppress(BackendError):
            backend.close()
        raise
    return backend


class CudaRuntime:
    """See slots.Runtime. All sessions compute in one stream, one after the other; copies go beside them."""

    def __init__(self, ort: Any, card: Card, device: Device, provider: str, memory: str) -> None:
        self.ort, self.card, self.device, self.memory = ort, card, device, memory
        self.stream = device.stream()
        self._provider = provider
        self._sessions: OrderedDict[Shape, Any] = OrderedDict()
        self._sides = _free_sides(card)

    def rows(self, shape: Shape, most: int) -> int:
        """One: what a batch would gain, several slots gain as well."""
        return 1

    def work(self, shape: Shape, stream: Stream) -> CudaWork:
        """Memory for an input of that shape."""
        if (session := self._sessions.get(shape)) is None:
            while len(self._sessions) >= _MOST_SESSIONS:
                self._sessions.popitem(last=False)  # what still runs in it keeps it alive
            session = self._sessions[shape] = self._open(shape)
        self._sessions.move_to_end(shape)
        return CudaWork(self, session, shape, stream)

    def close(self) -> None:
        """Let go of the sessions."""
        self._sessions.clear()

    def _open(self, shape: Shape) -> Any:
        settings = self._settings(shape)
        settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        with suppress(LeftToCpuError):
            return self._session(settings)
        with tempfile.TemporaryDirectory(prefix="dashmask-") as folder:
            settings = self._settings(shape)
            settings.enable_profiling = True
            settings.profile_file_prefix = str(Path(folder) / "profile")
            session = self._session(settings)
            spec = self.card.input
            told_by(lambda: session.run(None, {spec.name: np.zeros(shape, spec.dtype)}))
            events = json.loads(Path(session.end_profiling()).read_text())
        if left := left_to_cpu(events):
            what = ", ".join(f"{count} {name}" for name, count in left.most_common(4))
            raise LeftToCpuError(f"CUDA would leave part of the network to the CPU: {what}")
        return session

    def _settings(self, shape: Shape) -> Any:
        settings = new_settings(self.ort)
        for axis, name in self._sides.items():
            settings.add_free_dimension_override_by_name(name, shape[axis])
        return settings

    def _session(self, settings: Any) -> Any:
        choices = {
            "device_id": str(self.device.ordinal),
            "user_compute_stream": str(self.stream.handle),
            "cudnn_conv_algo_search": "HEURISTIC",  # the same every time, unlike what was fastest when it was tried
            "use_tf32": "0",  # f32 is the network's own precision
        }
        session = open_session(self.ort, self.card, settings, [(self._provider, choices)])
        if session.get_providers()[0] != self._provider:
            raise BackendError("CUDA could not be loaded by onnxruntime, which fell back to the CPU")
        return session


class CudaWork:
    """See slots.Work."""

    def __init__(self, runtime: CudaRuntime, session: Any, shape: Shape, stream: Stream) -> None:
        self._runtime, self._session = runtime, session
        self._freeing: list[Callable[[], None]] = []
        self._options = runtime.ort.RunOptions()
        # Run returns when all is in the stream; who waits is the event behind the download.
        self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        try:
            device, spec = runtime.device, runtime.card.input
            self._uploaded, self._computed = device.event(), device.event()
            self._freeing += [self._uploaded.free, self._computed.free]
            self.input, self._on_device = self._tensor(shape, spec.dtype)
            self._binding = session.io_binding()
            where = (runtime.memory, device.ordinal if runtime.memory == "cuda" else 0)
            self._binding.bind_input(spec.name, *where, np.dtype(spec.dtype), shape, self._on_device.ptr)
            self.outputs: list[NDArray[Any]] = []
            self._results: list[DeviceBuffer] = []
            names = [output.name for output in runtime.card.outputs]
            for name, (found, dtype) in zip(names, self._outputs(names, where), strict=True):
                array, buffer = self._tensor(found, dtype)
                self._binding.bind_output(name, *where, dtype, found, buffer.ptr)
                self.outputs.append(array)
                self._results.append(buffer)
        except BaseException:
            self.close()
            raise

    def _tensor(self, shape: Shape, dtype: Any) -> tuple[NDArray[Any], DeviceBuffer]:
        device = self._runtime.device
        array = device.pinned(shape, dtype)
        self._freeing.append(lambda: device.unpin(array))
        buffer = device.alloc(max(1, array.nbytes))
        self._freeing.append(buffer.free)
        return array, buffer

    def _outputs(self, names: Iterable[str], where: tuple[str, int]) -> list[tuple[Shape, Any]]:
        """Shape and type of each output, found by a run: a file need not say them."""
        for name in names:
            self._binding.bind_output(name, *where)
        self._runtime.device.fill(self._on_device, 0, self.input.nbytes, self._runtime.stream)
        self._runtime.stream.synchronize()
        told_by(lambda: self._session.run_with_iobinding(self._binding))
        found = [(tuple(value.shape()), dtype_of(value.data_type())) for value in self._binding.get_outputs()]
        self._binding.clear_binding_outputs()
        return found

    def start(self, stream: Stream) -> None:
        """Upload and download in the slot's stream, compute in that of the sessions."""
        device, compute = self._runtime.device, self._runtime.stream
        device.upload(self._on_device, self.input, stream)
        self._uploaded.record(stream)
        compute.wait(self._uploaded)
        told_by(lambda: self._session.run_with_iobinding(self._binding, self._options))
        self._computed.record(compute)
        stream.wait(self._computed)
        for array, buffer in zip(self.outputs, self._results, strict=True):
            device.download(array, buffer, stream)

    def close(self) -> None:
        """Let go of the session's objects and the memory."""
        self._binding = self._session = None
        freeing, self._freeing = self._freeing, []
        free_each(reversed(freeing))


def told_by(run: Callable[[], Any]) -> Any:
    """What ONNX Runtime answers; its errors are ours, and DeviceLostError where CUDA cannot be used any more."""
    try:
        return run()
    except runtime_errors() as error:
        match = re.search(r"CUDA (?:failure|error):? (\d+)", str(error))
        kind = DeviceLostError if match and int(match[1]) in LOST else BackendError
        raise kind(f"ONNX Runtime: {sentence(error)}") from error


def _free_sides(card: Card) -> dict[int, str]:
    """Axis -> name of each free side of the input; empty where one name stands for two of them."""
    import onnx

    graph = onnx.load(str(card.path), load_external_data=False).graph
    (value,) = [value for value in graph.input if value.name == card.input.name]
    sides = {axis: side.dim_param for axis, side in enumerate(value.type.tensor_type.shape.dim) if side.dim_param}
    return sides if len(set(sides.values())) == len(sides) else {}
