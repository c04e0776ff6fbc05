"""Sessions of ONNX Runtime's CPU provider that run when their stream comes to it, as CUDA's sessions do."""

from __future__ import annotations

import ctypes
from collections import Counter
from typing import Any

import pytest

from engines.backends import onnxruntime_cuda
from engines.backends.onnxruntime_session import open_session
from pipeline.types import Card

CUDA = ctypes.CDLL("libcuda.so.1")


class LateSession:
    """Runs in the stream that it was given."""

    def __init__(self, session: Any, stream: int) -> None:
        self._session, self._stream = session, stream
        self._kept: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run_with_iobinding(self, binding: Any, options: Any = None) -> None:
        wrong: list[Exception] = []

        def work(_: int) -> None:
            try:
                self._session.run_with_iobinding(binding)
            except Exception as error:
                wrong.append(error)

        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(work)
        self._kept.append(function)
        status = CUDA.cuLaunchHostFunc(ctypes.c_void_p(self._stream), function, None)
        if options is None:  # waits for its end
            status = status or CUDA.cuStreamSynchronize(ctypes.c_void_p(self._stream))
        else:
            assert options.get_run_config_entry("disable_synchronize_execution_providers") == "1"
        if status:
            raise RuntimeError(f"CUDA failure {status}: of the driver in host memory ; GPU=0")
        if wrong:
            raise wrong[0]


def cpu_as_cuda(patch: pytest.MonkeyPatch) -> None:
    """What is opened on CUDA from now on runs on the CPU."""

    def open_late(ort: Any, card: Card, settings: Any, providers: list[Any]) -> LateSession:
        return LateSession(open_session(ort, card, settings, providers), int(providers[0][1]["user_compute_stream"]))

    patch.setattr(onnxruntime_cuda, "open_session", open_late)
    patch.setattr(onnxruntime_cuda, "left_to_cpu", lambda events: Counter())
