"""What a user gets wrong is one sentence and exit code 2, and costs nothing that was there before."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from command import dashmask
from sinks_parts import in_child
from tiny_models import fcn

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
Words = Callable[[Path, Path, Path], list[object]]  # tmp_path, clip, model -> words behind `dashmask`


def a_text_file(folder: Path, name: str) -> Path:
    (folder / name).write_text("to do: record a drive\n")
    return folder / name


def cut_off(model: Path, folder: Path) -> Path:
    (folder / "cut.onnx").write_bytes(model.read_bytes()[:150])
    return folder / "cut.onnx"


def unknown_family(folder: Path) -> Path:
    fcn(folder / "odd.onnx")
    (folder / "odd.yaml").write_text("family: sematic\nclasses: [a, b, c]\n")
    return folder / "odd.onnx"


def wrong_shape(folder: Path) -> Path:
    fcn(folder / "wrong.onnx")
    (folder / "wrong.yaml").write_text("family: semantic\nclasses: [a, b, c]\ninput: {layout: nhwc}\n")
    return folder / "wrong.onnx"


def yaml(folder: Path, text: str) -> Path:
    (folder / "c.yaml").write_text(text)
    return folder / "c.yaml"


CASES: dict[str, tuple[Words, list[str]]] = {
    "a missing clip": (lambda t, c, m: ["run", t / "no.mp4", "-m", m], ["no.mp4", "no such file"]),
    "an empty clip": (lambda t, c, m: ["run", _empty(t / "e.mp4"), "-m", m], ["e.mp4", "empty"]),
    "a text file named .mp4": (lambda t, c, m: ["run", a_text_file(t, "t.mp4"), "-m", m], ["t.mp4"]),
    "a folder without images": (lambda t, c, m: ["run", t, "-m", m], ["no image"]),
    "a camera that is not there": (lambda t, c, m: ["run", "/dev/video97", "-m", m], ["/dev/video97"]),
    "a missing model": (lambda t, c, m: ["run", c, "-m", t / "no.onnx"], ["no.onnx", "no such model"]),
    "a start behind the end of time": (lambda t, c, m: ["run", c, "-m", m, "--start", "1e18"], ["clip", "1e+18 s"]),
    "a model that is cut off": (lambda t, c, m: ["run", c, "-m", cut_off(m, t)], ["cut.onnx"]),
    "a text file named .onnx": (lambda t, c, m: ["run", c, "-m", a_text_file(t, "t.onnx")], ["t.onnx"]),
    "a model of an unknown family": (lambda t, c, m: ["run", c, "-m", unknown_family(t)], ["sematic", "semantic"]),
    "a card that contradicts its model": (lambda t, c, m: ["run", c, "-m", wrong_shape(t)], ["wrong"]),
    "a size the model does not take": (lambda t, c, m: ["run", c, "-m", m, "--imgsz", 100], ["100", "64"]),
    "two models of a family": (lambda t, c, m: ["run", c, "-m", m, "-m", m], ["same family"]),
    "an unknown class": (lambda t, c, m: ["run", c, "-m", m, "--classes", "cra"], ["cra", "car"]),
    "an unknown class to blur": (
        lambda t, c, m: ["run", c, "-m", m, "--blur", "persn", "--save", t / "o.mp4"],
        ["persn", "person"],
    ),
    "an unknown backend": (lambda t, c, m: ["run", c, "-m", m, "--backend", "openvin"], ["openvin", "openvino"]),
    "an unknown key": (
        lambda t, c, m: ["run", c, "-m", m, "--config", yaml(t, "render:\n  alhpa: 1\n")],
        ["line 2", "alhpa", "alpha"],
    ),
    "a wrong type": (
        lambda t, c, m: ["run", c, "-m", m, "--config", yaml(t, "decode:\n  conf: much\n")],
        ["line 2", "decode.conf", "float"],
    ),
    "a wrong view": (lambda t, c, m: ["run", c, "-m", m, "--view", "sideways"], ["render.view", "sideways"]),
    "an output in no folder": (
        lambda t, c, m: ["run", c, "-m", m, "--save", t / "no" / "o.mp4"],
        ["no", "o.mp4"],
    ),
    "an output over the input": (lambda t, c, m: ["run", c, "-m", m, "--save", c], ["drive.mp4"]),
    "an output that is a folder": (lambda t, c, m: ["run", c, "-m", m, "--json", t], ["folder"]),
    "a container nobody knows": (lambda t, c, m: ["run", c, "-m", m, "--save", t / "o.xyz"], ["xyz"]),
    "a codec nobody knows": (
        lambda t, c, m: ["run", c, "-m", m, "--save", t / "o.mp4", "--set", "output.codec=x2640"],
        ["x2640"],
    ),
    "a full disk": (lambda t, c, m: ["run", c, "-m", m, "--json", "/dev/full"], ["/dev/full", "full"]),
    "a size that is none": (lambda t, c, m: ["tune", m, "--size", "big"], ["WIDTHxHEIGHT"]),
}


def _empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_one_sentence(case: str, models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    words, says = CASES[case]
    said = dashmask(*words(tmp_path, clip, models[1]))
    assert said.code == 2, said
    assert "Traceback" not in said.err
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, said.err
    for word in says:
        assert word in said.err, said.err


def test_a_download_that_was_cut_off_is_one_sentence(shared: Path, models: tuple[Path, Path]) -> None:
    said = dashmask("run", shared / "data/video/broken_truncated_no_moov.mp4", "-m", models[1])
    assert said.code == 2
    assert said.err.count("error: ") == 1
    assert "cut off" in said.err or "incomplete" in said.err, said.err


NO_THREADS = """
import sys, threading
name = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"
left, real = int(sys.argv.pop(1)), getattr(threading, name)
def limited(*arguments, **named):
    global left
    left -= 1
    if left < 0:
        raise RuntimeError("can't start new thread")
    return real(*arguments, **named)
setattr(threading, name, limited)
from pipeline.cli import main
main()
"""


def test_a_system_that_starts_no_further_thread_is_one_sentence_and_no_hang(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    words = ["run", clip, "-m", models[0], "--backend", "onnxruntime-cpu", "--json", tmp_path / "o.jsonl"]
    child = in_child(NO_THREADS, "5", *map(str, words))  # some stages have theirs
    assert child.returncode == 2
    assert "error: the system starts no further thread\n  hint: " in child.stderr
    assert "Traceback" not in child.stderr
    assert not list(tmp_path.glob("o*"))


def test_what_was_there_stays_until_the_new_one_is_whole(models: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("o.mp4", "o.jsonl"):
        (tmp_path / name).write_text("older work")
    outputs = ("--save", tmp_path / "o.mp4", "--json", tmp_path / "o.jsonl")
    said = dashmask("run", "lavfi:testsrc=size=160x120:rate=30:duration=1", "-m", models[1], *outputs)
    assert said.code == 2
    assert (tmp_path / "o.mp4").read_text() == (tmp_path / "o.jsonl").read_text() == "older work"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere: run as another user")
def test_a_folder_that_cannot_be_written_is_named(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    said = dashmask("run", clip, "-m", models[1], "--json", locked / "o.jsonl")
    assert said.code == 2
    assert "locked" in said.err


def test_usage_is_shown_with_an_example() -> None:
    for command in ("run", "doctor", "models", "config", "tune"):
        said = dashmask(command, "--help")
        assert said.code == 0
        assert "Example:" in said.out
