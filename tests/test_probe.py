"""What the machine is asked, and what is made of its answers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from engines import probe
from engines.select import AUTO


def test_no_driver_is_a_reason() -> None:
    driver = probe.nvidia_driver("libcuda-that-is-nowhere.so.1")
    assert driver.gpus == ()
    assert "was not found" in driver.reason


def test_a_library_that_is_no_driver_is_a_reason_not_a_crash() -> None:
    assert "is not NVIDIA's driver" in probe.nvidia_driver("libc.so.6").reason


def test_a_library_that_is_there_but_does_not_load_is_not_said_to_be_missing(tmp_path: Path) -> None:
    library = tmp_path / "libcuda.so.1"
    library.write_bytes(b"not what it was")
    reason = probe.nvidia_driver(str(library)).reason
    assert reason.startswith("the NVIDIA driver cannot be loaded: ")
    assert "was not found" not in reason


def test_an_onnxruntime_without_cuda_is_not_said_to_be_one_for_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "onnxruntime.py"
    module.write_text("__version__ = '9.9'\ndef get_available_providers():\n    return PROVIDERS\n")
    monkeypatch.setattr(probe, "nvidia_driver", lambda: probe.Driver("13.0", ("H200",)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    module.write_text(module.read_text() + "PROVIDERS = ['CPUExecutionProvider']\n")
    without = probe.cuda_in_onnxruntime()
    assert without.reason.startswith("the installed onnxruntime 9.9 is built without CUDA")
    module.write_text(module.read_text() + "PROVIDERS += ['CUDAExecutionProvider']\n")
    assert probe.cuda_in_onnxruntime() == probe.Loaded("9.9")


DRIVER = """
int cuInit(unsigned flags) {{ return {init}; }}
int cuDriverGetVersion(int *version) {{ *version = 13010; return 0; }}
int cuDeviceGetCount(int *count) {{ *count = {count}; return 0; }}
int cuDeviceGet(int *device, int ordinal) {{ *device = ordinal; return 0; }}
int cuDeviceGetName(char *name, int length, int device) {{
    name[0] = 'G'; name[1] = '0' + device; name[2] = 0; return 0;
}}
int cuGetErrorString(int status, const char **text) {{ *text = "out of order"; return 0; }}
"""


@pytest.mark.parametrize(
    ("init", "count", "gpus", "reason"),
    [
        (0, 2, ("G0", "G1"), ""),
        (0, 0, (), "an NVIDIA driver, but no GPU"),
        (100, 0, (), "an NVIDIA driver, but no GPU that it can use"),
        (999, 0, (), "the NVIDIA driver does not start: out of order (999)"),
    ],
)
def test_what_a_driver_answers_is_understood(
    init: int, count: int, gpus: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    compiler = shutil.which("cc") or pytest.skip(
        "no C compiler for a driver that answers as told: apt-get install gcc"
    )
    source, library = tmp_path / "cuda.c", tmp_path / "libcuda.so"
    source.write_text(DRIVER.format(init=init, count=count))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    driver = probe.nvidia_driver(str(library))
    assert (driver.gpus, driver.reason) == (gpus, reason)
    assert driver.version == ("13.1" if init == 0 else "")


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        ((), "not installed (pip install tensorrt)"),
        (("tensorrt",), "neither cuda-python nor pycuda is installed (pip install -U cuda-python)"),
        (("tensorrt", "cuda.bindings"), ""),
        (("tensorrt", "pycuda.driver"), ""),
    ],
)
def test_with_a_gpu_what_tensorrt_lacks_is_the_reason(
    there: tuple[str, ...], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "nvidia_driver", lambda: probe.Driver("13.0", ("H200",)))
    monkeypatch.setattr(probe, "installed", lambda module: module in there)
    assert probe.why_not("tensorrt") == reason


def test_the_facts_name_every_backend() -> None:
    topics = {fact.topic for fact in probe.facts()}
    assert {f"backend {name}" for name in AUTO} <= topics
    assert {"system", "processor", "gpu", "numpy"} <= topics
