"""The process in which TensorRT builds: what is left of it when it crashes or is stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from cards_to_build import network

from engines.build import build
from engines.build_process import ask
from engines.tensorrt_api import Api
from engines.tensorrt_builder import _set_timing_cache
from pipeline.errors import BackendError

pytestmark = pytest.mark.usefixtures("plans")

ROOT = Path(__file__).parents[1]
COMMAND = """
import sys
import typer
from pipeline.cli.build import build

app = typer.Typer()
app.command()(build)
app()
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import ctypes; print('about to read', flush=True); ctypes.string_at(8)", r"SIGSEGV.*about to read"),
        ("import os; os.kill(os.getpid(), 6)", r"SIGABRT.*the last it said: nothing"),
        ("raise KeyError('odd')", r"exit code 1.*KeyError: 'odd'"),
        ("raise ImportError('libnvinfer.so.10: cannot open shared object file')", "cannot be imported: libnvinfer"),
        ("__version__ = '8.6.1'", r"TensorRT 8\.6\.1 is too old, 10\.3 or newer"),
        ("pass", "has no attribute '__version__'"),
    ],
)
def test_bindings_that_crash_or_do_not_load_are_a_sentence(
    body: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd_tensorrt.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    try:
        told = ask({"product": "tensorrt", "module": "odd_tensorrt"}, tmp_path)["error"]
    except BackendError as error:
        told = str(error)
    assert re.search(said, told)


def test_an_rtx_that_cannot_tell_what_can_be_captured_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old_rtx.py").write_text("__version__ = '1.1.1.26'")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])]))
    told = ask({"product": "tensorrt-rtx", "module": "old_rtx"}, tmp_path)
    assert told["error"] == "TensorRT for RTX 1.1.1.26 is too old, 1.2 or newer is needed"
    assert told["hint"] == "pip install -U tensorrt-rtx"


def test_a_file_that_lies_in_the_folder_one_is_in_is_not_run(
    rtx: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tensorrt_rtx", "engines", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong file')")
    monkeypatch.chdir(tmp_path)
    assert ask({"product": "tensorrt-rtx"}, tmp_path) == {"version": rtx}


def test_what_was_measured_is_kept_and_a_broken_cache_of_it_begins_anew(
    rtx: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RTX stands in for TensorRT 10 here: it has the same calls, and measures nothing."""
    (tmp_path / "as_tensorrt.py").write_text("from tensorrt_rtx import *\n__version__ = '10.16.1'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    timing = tmp_path / "timing.cache"
    request = {
        "product": "tensorrt",
        "module": "as_tensorrt",
        "onnx": str(network(tmp_path).path),
        "plan": str(tmp_path / "built.plan"),
        "profiles": [],
        "workspace_mib": 64,
        "optimisation_level": 1,
        "compute_capability": "",
        "timing": str(timing),
        "most_bytes": 1 << 30,
    }
    for before in (None, "kept", b"no timing cache"):
        if isinstance(before, bytes):
            timing.write_bytes(before)
        (tmp_path / "built.plan").unlink(missing_ok=True)
        answer = ask(request, tmp_path)
        assert answer == {"version": "10.16.1", "bytes": (tmp_path / "built.plan").stat().st_size}
        assert len(timing.read_bytes()) > len(b"no timing cache")
    assert not list(tmp_path.glob("timing.*[0-9]"))


def test_where_tensorrt_gives_nothing_what_it_calls_a_warning_is_the_reason() -> None:
    said = [
        ("WARNING", "Unable to determine GPU memory usage"),
        ("WARNING", "CUDA initialization failure"),
        ("INFO", ""),
    ]
    api = Api("tensorrt", "11.4.0", None, None, deque(said))

    def made() -> Any:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    with pytest.raises(BackendError, match=r"^tensorrt 11\.4\.0 gave no builder: CUDA initialization failure$"):
        api.made("builder", made)
    api.messages.append(("ERROR", "out of memory"))
    with pytest.raises(BackendError, match="gave no builder: out of memory"):
        api.made("builder", made)


def test_a_cache_of_another_version_is_begun_anew() -> None:
    class Config:
        """Takes what TensorRT 11 takes: nothing of version 10."""

        def create_timing_cache(self, data: bytes) -> bytes | None:
            return None if data == b"broken" else data

        def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
            return not ignore_mismatch and cache in (b"of 11", b"")

    api = Api("tensorrt", "11.4", None, None, deque())
    for stored, used in ((b"of 11", b"of 11"), (b"of 10", b""), (b"broken", b""), (b"", b"")):
        assert _set_timing_cache(api, Config(), stored) == used


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_never_ends_goes_with_the_one_that_asked(sent: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("import time\nwhile True: sum(range(100000)), time.sleep(0.01)\n")
    code = (
        "from pathlib import Path\nfrom engines.build_process import ask\n"
        "ask({'product': 'tensorrt', 'module': 'endless'}, Path('.'))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=hear_ctrl_c,
    )
    builder = wait_for(lambda: builders(child))
    child.send_signal(sent)
    assert child.wait(30) != 0
    wait_for(lambda: gone(builder))


def hear_ctrl_c() -> None:
    """What a shell runs behind an `&` ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def slow_build(tmp_path: Path, plans: Path) -> tuple[subprocess.Popen[bytes], psutil.Process]:
    """A command that builds in another process, with the process in which it does."""
    network(tmp_path, hw=("h", "w"), batch="n")
    shapes = ",".join(f"{8 * n}x{8 * n}" for n in range(1, 30))
    child = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "m.onnx", "--shapes", shapes],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
        preexec_fn=hear_ctrl_c,
    )
    return child, wait_for(lambda: builders(child))


def builders(child: subprocess.Popen[bytes]) -> psutil.Process | None:
    """The process in which TensorRT builds, once it is at it."""
    for process in psutil.Process(child.pid).children():
        if "engines.build_child" in " ".join(process.cmdline()) and process.cpu_times().user > 0.15:
            return process
    return None


def wait_for(what: Callable[[], Any]) -> Any:
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_ctrl_c_leaves_nothing_half_written_and_nobody_behind(rtx: str, tmp_path: Path, plans: Path) -> None:
    child, builder = slow_build(tmp_path, plans)
    child.send_signal(signal.SIGINT)
    assert child.wait(30) != 0
    wait_for(lambda: gone(builder))
    assert not list(plans.iterdir())


def test_the_process_that_builds_ends_with_the_one_that_asked(rtx: str, tmp_path: Path, plans: Path) -> None:
    child, builder = slow_build(tmp_path, plans)
    child.kill()
    child.wait(30)
    wait_for(lambda: gone(builder))
    assert not list(plans.glob("*.plan"))
    (left,) = plans.iterdir()  # swept a day later
    old = time.time() - 2 * 86400
    os.utime(left, (old, old))
    build(network(tmp_path), product="tensorrt-rtx")
    assert not left.exists()
