"""OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.backends.base import (
    Done,
    Options,
    Precision,
    Ticket,
    Way,
    branch_does_not_run,
    check_input,
    crew,
    does_not_run,
    share_cores,
    usual_hw,
)
from engines.backends.once_more import once_more
from engines.backends.restart import BrokenOffError
from engines.local_branch import prototypes_branch
from engines.machine import available_cores
from engines.regional import Regional
from engines.telemetry import refuse_telemetry
from pipeline.errors import BackendError
from pipeline.regional import Output
from pipeline.types import Card, Inferred, Prepared

Size = tuple[int, int]


class OpenVinoBackend:
    """One compiled network with a stream per worker, for the size that is expected; another for all other sizes.

    A network compiled for one size runs a tenth faster than one that takes all, and compiling takes a third of a
    second. Which of the two runs a frame depends on the frame's size alone, so results do not depend on the order of
    the frames. Outputs are written by OpenVINO into arrays that are new each time (copying them takes 3 ms more).
    """

    name = "openvino"
    slots = 1
    max_batch = 1
    way: Way = "tensors"

    def __init__(self, card: Card, options: Options) -> None:
        self.precision: Precision = options.precision
        self.workers, self.threads = share_cores(options.workers, options.threads, available_cores())
        ov = _import()
        version = str(ov.__version__).split("-")[0]
        self.detail = f"OpenVINO {version}, CPU, {self.precision}, {crew(self.workers, self.threads)}"
        self._ov, self._card, self._lock = ov, card, Lock()
        self._core = ov.Core()
        self._expected = options.shape_hw or usual_hw(card.input)
        self._compiled: dict[Size | None, _Compiled] = {}
        self._branch = prototypes_branch(card)
        self._rest: _Compiled | None = None  # the branch, for parts of any size
        self._names = [output.name for output in card.outputs]
        if self._branch is not None:
            self._names = self._branch.of_trunk(self._names)
            model = self._read(self._branch.branch)
            self._rest = _Compiled(ov, self._compile(model), [self._branch.output], self.workers)
        self._for(self._expected)

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        """Run the network on each frame, in the calling thread and its stream."""
        return Done([self._run(prepared) for prepared in batch])

    def _run(self, prepared: Prepared) -> Inferred:
        size_hw = check_input(self._card, prepared)
        compiled = self._for(size_hw)
        try:
            outputs: list[Output] = list(compiled.infer(prepared.tensor))
        except BrokenOffError as error:
            raise BrokenOffError(f"{self.name}: {error}") from error
        except RuntimeError as error:
            raise does_not_run(self._card, prepared, _sentence(error)) from error
        if self._branch is not None and self._rest is not None:
            rest, at = self._rest, self._names.index(self._branch.entry)
            features = outputs[at]
            assert isinstance(features, np.ndarray)
            outputs[at] = Regional(features, self._branch, partial(self._run_branch, self._branch.output, rest))
        return Inferred(prepared, tuple(outputs))

    def _run_branch(self, output: str, rest: _Compiled, features: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            found: NDArray[np.float32] = rest.infer(features)[0]
        except RuntimeError as error:
            raise branch_does_not_run(self._card, output, _sentence(error)) from error
        return found

    def _for(self, size_hw: Size) -> _Compiled:
        key = size_hw if size_hw == self._expected else None
        with self._lock:
            if self._core is None:
                raise RuntimeError("openvino was closed")
            if key not in self._compiled:
                card = self._card
                height, width = key or card.input.size_hw
                shape = card.input.shape((height or -1, width or -1))  # -1: any
                model = self._read(
                    card.path if self._branch is None else self._branch.trunk, {card.input.name: list(shape)}
                )
                self._compiled[key] = _Compiled(self._ov, self._compile(model), self._names, self.workers)
            return self._compiled[key]

    def _read(self, file: Path | bytes, shapes: dict[str, list[int]] | None = None) -> Any:
        try:
            model = self._core.read_model(file)
            if shapes:
                model.reshape(shapes)
            return model
        except RuntimeError as error:
            raise BackendError(f"OpenVINO cannot load {self._card.path.name}: {_sentence(error)}") from error

    def _compile(self, model: Any) -> Any:
        config = {
            "INFERENCE_PRECISION_HINT": self.precision,  # its own default on this kind of CPU is bf16
            "NUM_STREAMS": self.workers,
            "INFERENCE_NUM_THREADS": self.workers * self.threads,
            "ENABLE_CPU_PINNING": False,  # cores are shared with other stages and other programs
            # Kernels kept for sizes to come back, of 5000 by default: after 24 sizes of a folder of pictures 500 MB
            # instead of 735, at the same speed.
            "CPU_RUNTIME_CACHE_CAPACITY": 500,
        }

        def compiled_by(number: int) -> Any:
            """Under load compile_model of 2026.4.1 was seen to hang, rarely; another Core may not."""
            core = self._ov.Core() if number else self._core
            return core.compile_model(model, "CPU", config)

        try:
            compiled = once_more(compiled_by)
            runs = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        except RuntimeError as error:
            raise BackendError(f"OpenVINO cannot load {self._card.path.name}: {_sentence(error)}") from error
        except TimeoutError as error:
            raise BackendError(f"OpenVINO hangs while it loads {self._card.path.name}: {error}") from error
        if runs != self.precision:
            raise BackendError(f"OpenVINO runs {runs} on this processor, {self.precision} was asked for")
        return compiled

    def interrupt(self) -> None:
        """Break off all runs at their next operator: they raise BrokenOffError."""
        for compiled in [*self._compiled.values(), *filter(None, [self._rest])]:
            compiled.interrupt()

    def close(self) -> None:
        """Let go of the compiled networks; arrays that were handed out stay valid."""
        with self._lock:
            self._compiled.clear()
            self._rest = self._core = None


class _Compiled:
    """A compiled network and a request for each worker."""

    def __init__(self, ov: Any, model: Any, outputs: Sequence[str], workers: int) -> None:
        self._ov = ov
        ports = {name: port for port in model.outputs for name in port.names}
        self._ports = [ports[name] for name in outputs]
        self._idle: SimpleQueue[Any] = SimpleQueue()
        self._requests = [model.create_infer_request() for _ in range(workers)]
        for request in self._requests:
            self._idle.put(request)
        self.interrupted = False
        self._static = all(port.partial_shape.is_static for port in self._ports)

    def interrupt(self) -> None:
        """Cancel what the requests are at."""
        self.interrupted = True
        for request in self._requests:
            request.cancel()

    def infer(self, tensor: Any) -> tuple[Any, ...]:
        """The outputs in their order, in memory of their own; BrokenOffError where it was interrupted."""
        request = self._idle.get()
        try:
            if not self._static:
                _run(request, tensor)
                return tuple(request.get_tensor(port).data.copy() for port in self._ports)
            fresh = [self._ov.Tensor(port.element_type, port.shape) for port in self._ports]
            for port, room in zip(self._ports, fresh, strict=True):
                request.set_tensor(port, room)
            _run(request, tensor)
            return tuple(room.data for room in fresh)
        except RuntimeError as error:
            if self.interrupted:
                raise BrokenOffError("a run was broken off") from error
            raise
        finally:
            self._idle.put(request)


def _run(request: Any, tensor: Any) -> None:
    request.start_async([tensor], share_inputs=True)  # infer() takes as long, but cannot be cancelled
    request.wait()


def open_openvino(card: Card, options: Options) -> OpenVinoBackend:
    """The network on the CPU; f32 unless bf16 is asked for.

    Raises:
        BackendError: not installed, or the network has an operator that it lacks.
    """
    return OpenVinoBackend(card, options)


def _import() -> Any:
    refuse_telemetry()
    try:
        import openvino
    except (ImportError, OSError) as error:  # OSError: a library that it needs is missing
        raise BackendError(f"openvino cannot be imported: {error}", hint="pip install openvino") from error
    # The table behind to_dtype is a C++ static that is filled at first use and lets the GIL go meanwhile: two workers
    # who come to it first at the same time wait for each other for ever (seen in one of four runs with 2026.4.1).
    openvino.Type.f32.to_dtype()
    return openvino


def _sentence(error: Exception) -> str:
    """What is left of OpenVINO's message without its source lines."""
    lines = [line.strip(" -:") for line in str(error).splitlines()]
    noise = ("Exception from", "Check '", "FrontEnd API failed", "Model wasn't fully converted", "Summary", "[ ")
    return "; ".join(line for line in lines if line and not line.startswith(noise))[:300] or str(error)[:300]
