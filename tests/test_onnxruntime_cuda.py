"""ONNX Runtime on CUDA without a GPU: what is left to the CPU, and the way around it on a driver in host memory."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_models
from fake_gpu import build_driver, run_with_gpu
from onnx import TensorProto, helper
from test_device import CHECKS, PYTEST

from engines.backends.onnxruntime_libraries import preload, why_no_cuda
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


def linked_to_what_is_missing(folder: Path) -> SimpleNamespace:
    """A package of ONNX Runtime whose CUDA provider needs a library that is not here."""
    compiler = shutil.which("gcc") or pytest.skip("no C compiler")
    capi = folder / "onnxruntime/capi"
    capi.mkdir(parents=True)
    code = {"cublasLt": "int blas(void) { return 1; }", "shared": "int host(void) { return 1; }"}
    code["cuda"] = "int blas(void); int host(void); int all(void) { return blas() + host(); }"
    files = {"cublasLt": folder / "libcublasLt.so.13"}
    files |= {name: capi / f"libonnxruntime_providers_{name}.so" for name in ("shared", "cuda")}
    for name, file in files.items():
        source = folder / f"{name}.c"
        source.write_text(code[name])
        needs = [files["cublasLt"]] if name == "cuda" else []
        subprocess.run(
            [compiler, "-shared", "-fPIC", f"-Wl,-soname,{file.name}", "-o", file, source, *needs], check=True
        )
    return SimpleNamespace(__file__=str(folder / "onnxruntime/__init__.py"))


def test_a_library_that_the_cuda_provider_misses_is_named(tmp_path: Path) -> None:
    ort = linked_to_what_is_missing(tmp_path)
    (tmp_path / "libcublasLt.so.13").rename(tmp_path / "elsewhere.so")
    assert why_no_cuda(ort).startswith("libcublasLt.so.13: cannot open shared object file")
    ctypes.CDLL(str(tmp_path / "elsewhere.so"), mode=ctypes.RTLD_GLOBAL)  # as preload_dlls does
    assert why_no_cuda(ort) == ""
    assert "libonnxruntime_providers" in why_no_cuda(SimpleNamespace(__file__=str(tmp_path / "none/__init__.py")))


def test_what_onnxruntime_prints_stays_out_of_our_output(capsys: pytest.CaptureFixture[str]) -> None:
    preload(SimpleNamespace(preload_dlls=lambda: print("Failed to load libcublas.so.13")))
    preload(SimpleNamespace())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("late", [True, False], ids=["as late as possible", "at once"])
def test_the_way_around_it(late: bool, tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    checks = [*PYTEST, CHECKS / "check_onnxruntime_cuda.py"]
    checks, environment = (checks, {}) if late else ([*checks, "-k", "not fail"], {"FAKE_CUDA_EAGER": "1"})
    ran = run_with_gpu(build_driver(tmp_path / "driver"), checks, tmp_path, **environment)
    assert ran.code == 0, ran.out + ran.err
