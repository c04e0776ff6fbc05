"""The driver of tests/fake_cuda, from inside a process that has loaded it."""

from __future__ import annotations

import ctypes
import json
from typing import Any


class FakeCuda:
    """The driver in this process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")

    def reset(self, fail: str = "") -> None:
        """Forget everything; fail from now on as tests/fake_cuda/fake_cuda.h says."""
        self._library.fake_cuda_reset(fail.encode())

    def fail(self, calls: str) -> None:
        """Fail from now on, counting from here."""
        self._library.fake_cuda_fail(calls.encode())

    def report(self) -> dict[str, Any]:
        """Calls, what lives, what was done wrong."""
        text = ctypes.create_string_buffer(1 << 16)
        self._library.fake_cuda_report(text, len(text))
        told: dict[str, Any] = json.loads(text.value)
        return told

    def assert_clean(self) -> None:
        """Nothing lives, no context is current, nothing was done wrong."""
        report = self.report()
        del report["calls"]
        assert report == {"alive": {}, "current": False, "violations": []}
