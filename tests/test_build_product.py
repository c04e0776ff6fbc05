"""Which of TensorRT's two products builds: what a driver and the bindings say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cards_to_build import network

from engines.build import build, choose_product
from engines.gpu import Gpu, gpu_here
from pipeline.errors import BackendError

pytestmark = pytest.mark.usefixtures("plans")

ROOT = Path(__file__).parents[1]


DRIVER = """
#include <string.h>
int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int length, int device) { strcpy(name, "Pretend 1"); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = attribute == 75 ? 9 : 0; return STATUS; }
"""


def driver(folder: Path, status: int = 0) -> Path:
    """A library that answers as a driver with one GPU does."""
    compiler = shutil.which("cc") or pytest.skip(
        "no C compiler for a driver that answers as told: apt-get install gcc"
    )
    source, library = folder / "cuda.c", folder / "libcuda.so.1"
    source.write_text(DRIVER.replace("STATUS", str(status)))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def test_a_gpu_is_described_by_its_name_capability_and_driver(tmp_path: Path) -> None:
    library = str(driver(tmp_path))
    assert gpu_here(library) == (Gpu("Pretend 1", "9.0", "13.0"), "")
    assert gpu_here(library, 1) == (Gpu(), "there is no GPU 1, the driver has 1")
    assert gpu_here("libcuda-that-is-nowhere.so.1")[1].startswith("no NVIDIA driver")


def test_a_driver_that_does_not_tell_is_a_reason(tmp_path: Path) -> None:
    assert "compute capability: CUDA error 101" in gpu_here(str(driver(tmp_path, 101)))[1]


@pytest.mark.parametrize(
    ("bindings", "chosen", "note"),
    [
        ("__version__ = '10.16.1'\nclass ILogger: pass", "tensorrt", ""),
        ("import ctypes; ctypes.string_at(8)", "tensorrt-rtx", "tensorrt crashed the process it was in (SIGSEGV)"),
        ("raise ImportError('libnvinfer.so.10')", "tensorrt-rtx", "tensorrt cannot be imported: libnvinfer.so.10"),
        ("__version__ = '8.6.1'", "tensorrt-rtx", "TensorRT 8.6.1 is too old"),
    ],
)
def test_auto_takes_tensorrt_only_where_it_can_be_imported_safely(
    rtx: str, bindings: str, chosen: str, note: str, tmp_path: Path
) -> None:
    driver(tmp_path)
    (tmp_path / "tensorrt.py").write_text(bindings)
    code = "from engines.build import choose_product; chosen, notes = choose_product('auto'); print(chosen, notes)"
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{chosen} ")
    assert note in done.stdout


def test_a_product_that_is_not_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        BackendError, match=r"there is no product `tensort` \(known are auto, tensorrt, tensorrt-rtx\)"
    ):
        choose_product("tensort")
    monkeypatch.setattr("engines.build.installed", lambda module: False)
    with pytest.raises(BackendError, match=r"tensorrt is not installed \(pip install tensorrt\)"):
        choose_product("tensorrt")
    with pytest.raises(BackendError, match="nothing here can build: tensorrt: not installed; tensorrt-rtx: not inst"):
        choose_product("auto")


def test_tensorrt_does_not_build_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not gpu_here()[1]:
        pytest.skip("there is a GPU here")
    monkeypatch.setattr("engines.build.installed", lambda module: True)
    with pytest.raises(BackendError, match=r"tensorrt builds only where it runs, and there is no GPU.*tensorrt-rtx"):
        build(network(tmp_path), product="tensorrt")
