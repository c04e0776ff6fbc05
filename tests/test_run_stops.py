"""A run ends well and with whole files: stopped, broken off, its streams closed, two networks beginning at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import dashmask
from video_parts import times_s

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")


def test_ctrl_c_drains_and_the_files_are_whole(models: tuple[Path, Path], tmp_path: Path) -> None:
    words = ["run", "demo:size=320x240,frames=100000", "-m", models[1], "--save", "o.mp4", "--json", "o.jsonl"]
    child = subprocess.Popen(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *map(str, words)],
        cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    part = tmp_path / "o.part.jsonl"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 20_000) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert "stopped before the end" in err
    records = (tmp_path / "o.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in records] == list(range(len(records)))
    assert len(times_s(tmp_path / "o.mp4")) == len(records)
    assert f"{len(records)} processed" in out


def test_ctrl_c_before_the_first_frame_ends_well_too(models: tuple[Path, Path], tmp_path: Path) -> None:
    words = ["run", "demo:size=320x240,frames=100000", "-m", str(models[1]), "--json", "o.jsonl"]
    child = subprocess.Popen(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *words],
        cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stderr is not None
    assert "two runs on" in child.stderr.readline()  # nothing else was said yet
    os.kill(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert "stopped before the end" in err
    records = (tmp_path / "o.jsonl").read_text().splitlines() if (tmp_path / "o.jsonl").exists() else []
    assert f"{len(records)} processed" in out


def test_a_source_that_breaks_off_leaves_playable_files_that_say_so(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    said = dashmask(
        *("run", "lavfi:testsrc=size=160x120:rate=30:duration=1", "-m", models[1]),
        *("--save", tmp_path / "o.mp4", "--json", tmp_path / "o.jsonl"),
    )
    assert said.code == 2
    assert "stopped giving frames" in said.err
    assert not (tmp_path / "o.mp4").exists()
    assert len(times_s(tmp_path / "o.partial.mp4")) >= 1
    assert json.loads((tmp_path / "o.partial.jsonl").read_text().splitlines()[-1])["index"] >= 0
    assert "o.partial.mp4" in said.err


@pytest.mark.parametrize("closed", ["2", "012"])
def test_a_run_whose_standard_streams_are_closed_is_a_run(
    models: tuple[Path, Path], clip: Path, tmp_path: Path, closed: str
) -> None:
    program = f"import os, sys; [os.close(int(one)) for one in {closed!r}]; os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "run", str(clip), "-m", str(models[1])]
    done = subprocess.run(
        [sys.executable, "-c", program, *command, "--json", "o.jsonl"], cwd=tmp_path, timeout=60, check=False
    )
    assert done.returncode == 0
    records = (tmp_path / "o.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in records] == list(range(25))


def test_two_networks_never_wait_for_each_other_at_their_first_frame(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    words = ["run", clip, "-m", models[0], "-m", models[1], "--backend", "openvino", "--json", "o.jsonl"]
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", *map(str, words)]
    for _ in range(6):  # a lock taken in the wrong order once stopped one of four fresh processes
        subprocess.run(command, cwd=tmp_path, timeout=60, check=True, capture_output=True)
