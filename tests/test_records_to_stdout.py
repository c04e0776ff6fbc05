"""`run --json -`: records, and nothing but records, on the standard output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import dashmask

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")

COMMAND = (sys.executable, "-c", "from pipeline.cli import main; main()", "run")


def run(models: tuple[Path, Path], clip: Path, *words: object, **how: Any) -> subprocess.CompletedProcess[str]:
    line = map(str, (*COMMAND, clip, "-m", models[1], "--backend", "onnxruntime-cpu", "--json", "-", *words))
    return subprocess.run(list(line), text=True, timeout=120, **how)


def test_every_line_is_a_record_and_the_rest_is_told_on_stderr(models: tuple[Path, Path], clip: Path) -> None:
    done = run(models, clip, "--frames", 5, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == list(range(5))
    assert "5 frames in, 5 processed" in done.stderr


def test_what_the_shell_appends_to_is_kept(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    file.write_text('{"index":-1}\n')
    with file.open("a") as end:
        run(models, clip, "--frames", 2, stdout=end, stderr=subprocess.DEVNULL, check=True)
    assert [json.loads(line)["index"] for line in file.read_text().splitlines()] == [-1, 0, 1]


def test_a_reader_that_leaves_ends_the_run_without_a_word(models: tuple[Path, Path], tmp_path: Path) -> None:
    line = map(str, (*COMMAND, "demo:size=160x96", "-m", models[0], "--backend", "onnxruntime-cpu", "--json", "-"))
    with (
        (tmp_path / "err").open("w") as told,
        subprocess.Popen(list(line), stdout=subprocess.PIPE, stderr=told) as child,
    ):
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["index"] == 0
        child.stdout.close()
        assert child.wait(60) == 1
    assert "Traceback" not in (tmp_path / "err").read_text()
    assert "error" not in (tmp_path / "err").read_text()


@pytest.mark.parametrize("option", ["--save", "--summary", "--trace"])
def test_other_outputs_are_no_standard_output(models: tuple[Path, Path], clip: Path, option: str) -> None:
    said = dashmask("run", clip, "-m", models[1], "--backend", "onnxruntime-cpu", option, "-")
    assert said.code == 2
    assert "only records (--json) go to the standard output" in said.err
