"""ONNX Runtime on CUDA without a GPU: what is left to the CPU, and the way around it on a driver in host memory."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_models
from fake_gpu import need_cuda_python, run_checks
from onnx import TensorProto, helper

from engines.backends.onnxruntime_libraries import preload
from engines.backends.onnxruntime_profile import left_to_cpu


def profile(path: Path, feed: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a run on the CPU."""
    ort = pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    settings = ort.SessionOptions()
    settings.enable_profiling = True
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.profile_file_prefix = str(path.with_suffix(""))
    session = ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    session.run(None, feed)
    events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text())
    return events


def test_a_network_on_the_cpu_is_noticed(tmp_path: Path) -> None:
    path = tiny_models.fcn(tmp_path / "m.onnx")
    events = profile(path, {"image": np.zeros((1, 3, 16, 16), np.float32)})
    assert left_to_cpu(events) == {"Conv": 1}


def test_arithmetic_of_shapes_may_be_on_the_cpu(tmp_path: Path) -> None:
    # x (1, 3, h, w) -> (1, 3, h * w), as exports do that leave the size free
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["head"]),
        helper.make_node("Concat", ["head", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"]),
    ]
    weights = {"first": np.array([0, 1], np.int64), "rest": np.array([-1], np.int64)}
    inputs, outputs = [tiny_models.floats("x", (1, 3, "h", "w"))], [tiny_models.floats("y", (1, 3, "n"))]
    path = tiny_models.save(tmp_path / "m.onnx", nodes, inputs, outputs, weights)
    events = profile(path, {"x": np.zeros((1, 3, 16, 16), np.float32)})
    assert {event["args"]["op_name"] for event in events if event.get("cat") == "Node"} >= {"Shape", "Reshape"}
    assert left_to_cpu(events) == {"Reshape": 1}  # everything but what moves the picture itself


def test_labels_on_the_cpu_are_no_arithmetic_of_shapes(tmp_path: Path) -> None:
    nodes = [helper.make_node("ArgMax", ["x"], ["y"], axis=1, keepdims=0)]
    outputs = [tiny_models.floats("y", (1, "h", "w"), TensorProto.INT64)]
    path = tiny_models.save(tmp_path / "m.onnx", nodes, [tiny_models.floats("x", (1, 3, "h", "w"))], outputs)
    assert left_to_cpu(profile(path, {"x": np.zeros((1, 3, 16, 16), np.float32)})) == {"ArgMax": 1}


def test_what_ran_on_cuda_is_not_counted() -> None:
    told = {"provider": "CUDAExecutionProvider", "op_name": "Conv", "output_type_shape": [{"float": [1, 3, 8, 8]}]}
    assert not left_to_cpu([{"cat": "Node", "args": told}, {"cat": "Session", "name": "session_run"}])
    assert left_to_cpu([{"cat": "Node", "args": {"provider": "CPUExecutionProvider"}}]) == {"an operator": 1}


def test_a_library_that_is_missing_is_named_and_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    said = "libcublasLt.so.13: cannot open shared object file: No such file or directory"

    def preload_dlls() -> None:
        print(f"Failed to load libcublasLt.so.13: {said}")
        print("Please follow https://onnxruntime.ai/docs/install/#cuda-and-cudnn to install CUDA.")

    assert preload(SimpleNamespace(preload_dlls=preload_dlls)) == f"libcublasLt.so.13: {said}"
    assert preload(SimpleNamespace(preload_dlls=lambda: None)) == preload(SimpleNamespace()) == ""
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("late", [True, False], ids=["as late as possible", "at once"])
def test_the_way_around_it(late: bool, driver: Path, tmp_path: Path) -> None:
    need_cuda_python()
    but, environment = ("", {}) if late else ("fail", {"FAKE_CUDA_EAGER": "1"})
    run_checks(driver, tmp_path, "onnxruntime_cuda", but=but, **environment)
