"""The CUDA device module, on a driver in host memory: with cuda-python, and with pycuda where it is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fake_gpu import ROOT, build_driver, run_checks, run_with_gpu

from engines.device.errors import LOST


@pytest.mark.parametrize("late", [True, False], ids=["as late as possible", "at once"])
def test_the_device_on_cuda_python(late: bool, driver: Path, tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    environment = {"DEVICE_API": "cuda-python"} | ({} if late else {"FAKE_CUDA_EAGER": "1"})
    run_checks(driver, tmp_path, "device", "device_failing", **environment)


def test_the_device_on_pycuda(driver: Path, tmp_path: Path) -> None:
    spec = find_spec("pycuda")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("no pycuda here: install the extra `pycuda`, which needs nvcc")
    (library,) = Path(next(iter(spec.submodule_search_locations))).glob("_driver*.so")
    # It wants every function of the driver to be there, also those that nobody calls.
    missing = sorted(_symbols("--undefined-only", library) - _symbols("--defined-only", driver / "libcuda.so.1"))
    more = "".join(f"int {name}(void) {{ return 801; }}\n" for name in missing)
    run_checks(build_driver(tmp_path / "driver", more), tmp_path, "device", "device_failing", DEVICE_API="pycuda")


def _symbols(which: str, library: Path) -> set[str]:
    try:
        told = subprocess.run(["nm", "-D", which, library], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("no `nm` to see which functions pycuda wants: apt-get install binutils")
    return {name for name in (line.split()[-1] for line in told.splitlines()) if name.startswith("cu")}


def test_the_driver_in_host_memory_is_as_strict_as_a_real_one(tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    code = """
import ctypes, os
from engines.device import open_device
device = open_device()
with device.current():
    buffer, array, freed = device.alloc(300), device.pinned((300,), "u1"), device.pinned((300,), "u1")
    where = freed.ctypes.data
    device.unpin(freed)
    for address in (buffer.ptr, array.ctypes.data + 512, where, array.ctypes.data):
        if (child := os.fork()) == 0:
            ctypes.string_at(address)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
device.close()
"""
    ran = run_with_gpu(build_driver(tmp_path / "driver"), ["-c", code], tmp_path)
    assert ran.out.split() == ["-11", "-11", "-11", "0"], ran.out + ran.err


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"FAKE_CUDA_DEVICES": "0"}, "an NVIDIA driver, but no GPU that it can use"),
        ({"FAKE_CUDA_FAIL": "cuInit:1:999"}, "the NVIDIA driver does not start: unknown error (999)"),
        ({"FAKE_CUDA_FAIL": "cuInit:2:3"}, "cuInit: initialization error (CUDA error 3)"),
        ({"FAKE_CUDA_FAIL": "cuDevicePrimaryCtxRetain:1:2"}, "cuDevicePrimaryCtxRetain: out of memory"),
    ],
)
def test_a_driver_that_does_not_work_is_a_sentence(
    environment: dict[str, str], reason: str, driver: Path, tmp_path: Path
) -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    code = (
        "from engines.device import open_device\n"
        "from pipeline.errors import BackendError\n"
        "try: open_device()\n"
        "except BackendError as error: print(error)"
    )
    ran = run_with_gpu(driver, ["-c", code], tmp_path, **environment)
    assert reason in ran.out, ran.out + ran.err
    assert ran.report["alive"] == {}


def test_every_status_after_which_a_process_cannot_go_on_is_a_lost_device() -> None:
    driver = pytest.importorskip("cuda.bindings.driver", reason="no cuda-bindings here: pip install cuda-bindings")
    said = {int(status): " ".join((status.__doc__ or "").split()) for status in driver.CUresult}
    final = {status for status, text in said.items() if re.search(r"must be (terminated|destroyed)", text)}
    if not final:
        pytest.skip("these bindings do not say what a status means: pip install -U cuda-bindings")
    assert len(final) > 10
    assert final <= LOST


def test_no_driver_is_a_sentence_and_nothing_is_imported() -> None:
    code = (
        "import sys\n"
        "import engines.device.cuda_python, engines.device.pycuda\n"
        "assert not {'cuda', 'pycuda'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("given", ["cuda-python", "pycuda"])
def test_without_the_package_the_reason_says_how_to_get_it(given: str, driver: Path, tmp_path: Path) -> None:
    # A folder that is in front of it in the path, and breaks it.
    name = {"cuda-python": "cuda", "pycuda": "pycuda"}[given]
    (tmp_path / "broken" / name).mkdir(parents=True)
    (tmp_path / "broken" / name / "__init__.py").write_text("raise ImportError('not today')")
    code = (
        "from engines.device import open_device\n"
        "from pipeline.errors import BackendError\n"
        f"try: open_device(prefer={given!r})\n"
        "except BackendError as error: print(error)"
    )
    ran = run_with_gpu(driver, ["-c", code], tmp_path, python_path=[tmp_path / "broken"])
    newer = "-U " * (given == "cuda-python")  # an old one has no cuda.bindings
    assert f"{given} cannot be imported: not today (pip install {newer}{given})" in ran.out, ran.out + ran.err
