"""ONNX Runtime on CUDA, with inputs and outputs in our own device memory, and strict about what runs where.

A session for each shape of the input: with all sides known ONNX Runtime folds what computes shapes, and everything is
left to CUDA. Where some of it stays (ONNX Runtime puts the arithmetic of shapes on the CPU on purpose, as its results
are needed there), one run is profiled: nothing but such arithmetic may be on the CPU.
"""

from __future__ import annotations

import json
import tempfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from engines.backends.base import Options, usual_hw
from engines.backends.onnxruntime_bound import BoundNetwork, BoundWork, find_outputs, told_by
from engines.backends.onnxruntime_libraries import preload
from engines.backends.onnxruntime_profile import left_to_cpu
from engines.backends.onnxruntime_session import (
    LeftToCpuError,
    import_runtime,
    new_settings,
    open_session,
)
from engines.backends.slot_backend import SlotBackend
from engines.backends.tensors import Outputs, Shape
from engines.device import open_device
from engines.device.base import Device, Stream
from engines.probe import WITH_CUDA
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
        raise BackendError(f"the installed onnxruntime {ort.__version__} is built without CUDA", hint=WITH_CUDA)
    preload(ort)
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
    try:
        backend.ready(card.input.shape(options.shape_hw or usual_hw(card.input)), options.task)
    except BaseException:
        with suppress(BackendError):
            backend.close()
        raise
    return backend


class CudaRuntime:
    """See slot_backend.Runtime. All sessions compute in one stream, one after the other; copies go beside them."""

    def __init__(self, ort: Any, card: Card, device: Device, provider: str, memory: str) -> None:
        self.ort, self.card, self.device, self.memory = ort, card, device, memory
        self.stream = device.stream()
        self.dtype = np.dtype(card.input.dtype)
        self._provider = provider
        self._sessions: OrderedDict[Shape, tuple[Any, Outputs]] = OrderedDict()
        self._sides = _free_sides(card)

    def rows(self, shape: Shape, most: int) -> int:
        """One: what a batch would gain, several slots gain as well."""
        return 1

    def network(self, shape: Shape, stream: Stream) -> BoundNetwork:
        """The network for a batch of that shape."""
        if (opened := self._sessions.get(shape)) is None:
            while len(self._sessions) >= _MOST_SESSIONS:
                self._sessions.popitem(last=False)  # what still runs in it keeps it alive
            session = self._open(shape)
            opened = self._sessions[shape] = session, find_outputs(self, session, shape)
        self._sessions.move_to_end(shape)
        return BoundNetwork(self, *opened, shape)

    def work(self, shape: Shape, stream: Stream) -> BoundWork:
        """Memory for an input of that shape."""
        return BoundWork(self, self.network(shape, stream), shape)

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
        settings.intra_op_num_threads = 1  # the CPU has nothing to do but shapes
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
            why = preload(self.ort) or "its log says why"
            raise BackendError(
                f"onnxruntime {self.ort.__version__} could not load CUDA: {why}",
                hint="pip install 'onnxruntime-gpu[cuda,cudnn]', and a driver for the CUDA that it was built for",
            )
        return session


def _free_sides(card: Card) -> dict[int, str]:
    """Axis -> name of each free side of the input; empty where one name stands for two of them."""
    import onnx

    graph = onnx.load(str(card.path), load_external_data=False).graph
    (value,) = [value for value in graph.input if value.name == card.input.name]
    sides = {axis: side.dim_param for axis, side in enumerate(value.type.tensor_type.shape.dim) if side.dim_param}
    return sides if len(set(sides.values())) == len(sides) else {}
