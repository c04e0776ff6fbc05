"""ONNX Runtime, on the CPU and on CUDA."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from engines.backends.base import Done, Options, Precision, Ticket, check_input, crew, share_cores
from engines.machine import available_cores
from pipeline.errors import BackendError, ModelError, UserError
from pipeline.types import Card, Inferred, Prepared

_CUDA = "CUDAExecutionProvider"
_SILENT = 4  # fatal errors only: everything else reaches the user as our sentence


class OnnxRuntimeBackend:
    """One session, called by several threads at once.

    Outputs are not copied: each array owns a piece of the session's arena and gives it back when it dies.
    """

    precision: Precision = "f32"
    slots = 1
    max_batch = 1

    def __init__(self, name: str, detail: str, card: Card, session: Any, workers: int, threads: int) -> None:
        self.name, self.detail, self.workers, self.threads = name, detail, workers, threads
        self._card = card
        self._session = session
        self._outputs = [output.name for output in card.outputs]

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        """Run the network on each frame, in the calling thread."""
        return Done([self._run(prepared) for prepared in batch])

    def _run(self, prepared: Prepared) -> Inferred:
        if self._session is None:
            raise RuntimeError(f"{self.name} was closed")
        check_input(self._card, prepared)
        try:
            outputs = self._session.run(self._outputs, {self._card.input.name: prepared.tensor})
        except _errors() as error:
            shape = "x".join(map(str, prepared.tensor.shape))
            raise ModelError(
                f"{self._card.path.name} does not run on an input of {shape}: {_sentence(error)}",
                hint=f"sides must be multiples of {self._card.input.stride} as its card says; perhaps of more",
            ) from error
        return Inferred(prepared, tuple(outputs))

    def close(self) -> None:
        """Let go of the session; arrays that were handed out stay valid."""
        self._session = None


def open_cpu(card: Card, options: Options) -> OnnxRuntimeBackend:
    """The network on the CPU.

    Raises:
        BackendError: not installed, or the network has an operator that it lacks.
        ModelError: the file is broken.
    """
    ort = _import()
    if options.precision != "f32":
        raise BackendError(f"onnxruntime-cpu has no {options.precision}, only f32")
    workers, threads = share_cores(options.workers, options.threads, available_cores())
    settings = _settings(ort)
    # The threads that call take part in the work; the session's pool holds the others, and all share it.
    settings.intra_op_num_threads = workers * (threads - 1) + 1
    settings.inter_op_num_threads = 1
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # cores are shared with other stages
    # Arena with plain growth: least memory and most speed of the four combinations (ENet 1024x512, two workers:
    # 497 MB and 401 ms of CPU; with patterns 707 and 418; without the arena up to 588 and 482).
    settings.enable_mem_pattern = False
    session = _session(ort, card, settings, ["CPUExecutionProvider"])
    return OnnxRuntimeBackend(
        "onnxruntime-cpu",
        f"ONNX Runtime {ort.__version__}, CPU, f32, {crew(workers, threads)}",
        card,
        session,
        workers,
        threads,
    )


def open_cuda(card: Card, options: Options) -> OnnxRuntimeBackend:
    """The network on an NVIDIA GPU, all of it: nothing is left to the CPU in silence.

    Raises:
        BackendError: not installed, no GPU, or CUDA cannot take the whole network.
        ModelError: the file is broken.
    """
    ort = _import()
    if options.precision != "f32":
        raise BackendError(f"onnxruntime-cuda has no {options.precision} here, only f32")
    if _CUDA not in ort.get_available_providers():
        raise BackendError(
            f"the installed onnxruntime {ort.__version__} is built without CUDA", hint="install onnxruntime-gpu"
        )
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # the CUDA libraries that pip installed
    settings = _settings(ort)
    settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session = _session(ort, card, settings, [(_CUDA, {"cudnn_conv_algo_search": "HEURISTIC"})])
    if session.get_providers()[0] != _CUDA:
        raise BackendError("CUDA could not be loaded by onnxruntime, which fell back to the CPU")
    return OnnxRuntimeBackend(
        "onnxruntime-cuda", f"ONNX Runtime {ort.__version__}, CUDA, f32", card, session, workers=1, threads=1
    )


def _import() -> Any:
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


def _settings(ort: Any) -> Any:
    settings = ort.SessionOptions()
    settings.log_severity_level = _SILENT
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return settings


def _session(ort: Any, card: Card, settings: Any, providers: list[Any]) -> Any:
    try:
        return ort.InferenceSession(str(card.path), settings, providers=providers)
    except _errors() as error:
        raise _refusal(card, error) from error


def _refusal(card: Card, error: Exception) -> UserError:
    kind, reason = type(error).__name__, _sentence(error)
    if kind in ("InvalidProtobuf", "NoSuchFile", "NoModel"):
        return ModelError(f"{card.path.name}: not a whole ONNX file: {reason}", hint="export or download it again")
    if "default CPU EP" in reason:
        reason = "CUDA would leave part of the network to the CPU"
        return BackendError(reason, hint="a free input size does that: export the model with a fixed one")
    return BackendError(f"ONNX Runtime cannot load {card.path.name}: {reason}")


def _errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its exceptions have no class in common."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*kinds, RuntimeError, ValueError)


def _sentence(error: Exception) -> str:
    """ONNX Runtime's message without its codes and line breaks."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"^Load model from .*? failed: ?", "", text)
    return text.removeprefix("Fatal error: ").removesuffix(".")[:300]
