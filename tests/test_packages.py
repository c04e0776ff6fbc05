"""What is installed and does not load: said in one sentence, with what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engines.packages import lacking, packages


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder with a cv2 that wants a library which this system does not have, as a container's would."""
    compiler = shutil.which("cc") or pytest.skip(
        "no C compiler for a library that lacks another: apt-get install gcc"
    )
    nowhere, folder = tmp_path / "libnowhere.so.1", tmp_path / "packages"
    folder.mkdir()
    empty = tmp_path / "empty.c"
    empty.write_text("")
    subprocess.run([compiler, "-shared", "-fPIC", "-Wl,-soname,libnowhere.so.1", "-o", nowhere, empty], check=True)
    wants = ["-Wl,--no-as-needed", nowhere]
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "cv2.abi3.so", empty, *wants], check=True)
    nowhere.unlink()
    return folder


def test_a_command_without_opencvs_libraries_says_which_and_what_to_install(broken: Path, tmp_path: Path) -> None:
    code = "import sys; from pipeline.cli import main; sys.argv[1:] = 'run demo:frames=1 --json out'.split(); main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(broken), *filter(None, sys.path)])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    error, hint = done.stderr.splitlines()
    assert error == "error: opencv-python does not load: this system has no libnowhere.so.1"
    assert "apt-get install libgl1 libglib2.0-0" in hint
    assert not (tmp_path / "out").exists()


def test_doctor_tries_what_every_run_needs(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(broken), *filter(None, sys.path)]))
    found = {fact.topic: fact for fact in packages()}
    opencv = next(fact for topic, fact in found.items() if topic.startswith("opencv"))
    assert opencv.state == "problem"
    assert opencv.detail.endswith("does not load: this system has no libnowhere.so.1")
    assert "opencv-python-headless" in opencv.hint
    assert found["av"].state == found["numpy"].state == "yes"


def test_another_reason_than_a_missing_library_is_left_as_it_is() -> None:
    assert lacking("cv2", "No module named 'numpy'") is None


@pytest.mark.parametrize(
    ("names", "mend"),
    [
        (
            ("onnxruntime", "onnxruntime-gpu"),
            "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu",
        ),
        (
            ("opencv-python", "opencv-python-headless"),
            "pip uninstall -y opencv-python opencv-python-headless && pip install opencv-python",
        ),
    ],
)
def test_packages_that_overwrite_each_other_are_found(
    names: tuple[str, ...], mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names:
        folder = tmp_path / f"{name.replace('-', '_')}-9.9.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(tmp_path)
    (problem,) = [fact for fact in packages() if fact.state == "problem"]
    assert "overwrite each other" in problem.detail
    assert problem.hint == mend


def test_windows_is_refused_in_one_sentence() -> None:
    code = "import sys; sys.platform = 'win32'; from pipeline.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "error: dashmask runs on Linux, not on Windows"
