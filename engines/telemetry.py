"""The runtimes' own counting of their users, switched off: it keeps numbers in the home and sends them away."""

from __future__ import annotations

import os
import sys
from typing import Any


def refuse_telemetry() -> None:
    """To be called before ONNX Runtime or OpenVINO is imported; legal again.

    Who wants ONNX Runtime's sets ORT_DISABLE_TELEMETRY to 0 in the environment. OpenVINO does without its own where
    the package for it is not found.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)
