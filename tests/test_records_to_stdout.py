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


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/dev/../dev/stdout", "link"])
def test_the_standard_output_by_its_paths_is_the_standard_output(
    models: tuple[Path, Path], clip: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    file = tmp_path / "all.jsonl"
    file.write_text('{"index":-1}\n')
    with file.open("a") as end:
        done = run(models, clip, "--frames", 2, "--json", name, cwd=tmp_path, stdout=end, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["index"] for line in file.read_text().splitlines()] == [-1, 0, 1]
    assert "2 frames in, 2 processed" in done.stderr
    assert sorted(tmp_path.iterdir()) == [file, tmp_path / "link"]


def test_a_path_that_ends_in_a_dash_is_a_file(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    done = run(models, clip, "--frames", 2, "--json", "./-", cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["index"] for line in (tmp_path / "-").read_text().splitlines()] == [0, 1]
    assert "2 frames in, 2 processed" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["-"]


def test_a_summary_stands_behind_the_records(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    with file.open("w") as out:
        run(
            models, clip, "--frames", 2, "--summary", "/dev/stdout", stdout=out, stderr=subprocess.DEVNULL, check=True
        )
    records, summary = file.read_text().splitlines()[:2], file.read_text().split("\n", 2)[2]
    assert [json.loads(line)["index"] for line in records] == [0, 1]
    assert json.loads(summary)["frames"]["in"] == 2


def test_a_summary_on_the_standard_output_is_alone_there(models: tuple[Path, Path], clip: Path) -> None:
    line = map(str, (*COMMAND, clip, "-m", models[1], "--backend", "onnxruntime-cpu", "--summary", "/dev/stdout"))
    done = subprocess.run(list(line), text=True, timeout=120, capture_output=True, check=True)
    assert json.loads(done.stdout)["frames"]["in"] == 25
    assert "25 frames in, 25 processed" in done.stderr
