"""A run says what has no effect, was left out or passed over, what it waits for, and what cannot be."""

from __future__ import annotations

import json
import pty
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import dashmask

from pipeline.cli import progress
from pipeline.config import Config, SourceConfig
from pipeline.networks import networks
from pipeline.running import loading
from pipeline.running.loading import Loaded
from pipeline.sources import open_source
from pipeline.timing import Summary
from pipeline.types import SourceInfo

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")


def test_what_has_no_effect_is_said(models: tuple[Path, Path], clip: Path) -> None:
    words = ("--track", "--recordings", "kept", "--mask-ids", "trainId", "--colour-by", "track")
    said = dashmask("run", clip, "-m", models[0], "--frames", 2, *words)
    assert said.code == 0, said.err
    for told in (
        "nothing is tracked: no network here finds objects",
        "not coloured by track: no network here finds objects",
        "no recordings without a page: add --web",
        "numbers no masks: add --masks DIR",
    ):
        assert told in said.err
    said = dashmask("run", clip, "-m", models[1], "--frames", 2, "--track", "--colour-by", "track", "--smooth")
    assert "note: no labels are smoothed: no network here gives label maps" in said.err
    said = dashmask("run", clip, "-m", models[0], "--frames", 2, "--conf", 0.6, "--set", "track.smooth_masks=true")
    assert "note: decode.conf chooses among objects: no network here finds objects one by one" in said.err
    assert "note: no masks are smoothed: add --track" in said.err
    for words in (("--blur", "car"), ("--cutout", "car")):
        told = "note: nothing is blurred or cut out: no picture is drawn; add --save"
        assert told in dashmask("run", clip, "-m", models[1], "--frames", 2, *words).err
    assert (
        "behind a cut-out, and there is none"
        in dashmask(*("run", clip, "-m", models[1], "--frames", 2, "--ground", "black")).err
    )
    assert "tracked" not in said.err
    assert "coloured" not in said.err


@pytest.mark.parametrize(
    ("chosen", "total"),
    [({}, 38), ({"every": 4}, 10), ({"frames": 7}, 7), ({"frames": 100}, 38), ({"every": 4, "frames": 3}, 3)],
)
def test_it_says_how_many_frames_will_come_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], chosen: dict[str, int], total: int
) -> None:
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    told = progress.Progress(SourceConfig(**chosen))  # type: ignore[arg-type]
    told.started(open_source("demo"), [])
    told.frame(Summary(), SourceInfo("clip.mp4", frames=38))
    assert capsys.readouterr().err == f"0 of {total} frames, 0.0 fps\n"


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_a_terminal_that_draws_nothing_anew_gets_lines(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal, open(ours, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress.Progress(SourceConfig()) as told:
            told.started(open_source("demo"), [])
            told.frame(Summary(), SourceInfo("clip.mp4", frames=38))
        print("end", file=terminal, flush=True)
        shown = ""
        while "end" not in shown:  # a terminal gives what is there by now
            shown += screen.read(4096).decode()
    assert ("0 of 38 frames" in shown) == (term == "dumb")
    assert ("0/38" in shown) == (term != "dumb")


def test_pictures_that_are_left_out_are_said(models: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    whole = cv2.imencode(".png", np.full((96, 128, 3), 90, np.uint8))[1].tobytes()
    for index in range(4):
        (folder / f"{index}.png").write_bytes(whole if index != 2 else whole[:50])
    said = dashmask("run", folder, "-m", models[1], "--summary", tmp_path / "o.json")
    assert "3 frames in, 3 processed" in said.out
    told = f"{folder}: pictures that did not decode and were left out: 1"
    assert f"note: {told}" in said.err
    assert told in json.loads((tmp_path / "o.json").read_text())["notes"]
    said = dashmask("run", folder, "-m", models[1], "--fps", 5, "--json", tmp_path / "o.jsonl")
    times = [json.loads(line)["pts_s"] for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert times == pytest.approx([0, 0.2, 0.6])


def test_what_was_passed_over_is_said_with_its_reason(models: tuple[Path, Path], clip: Path) -> None:
    said = dashmask("run", clip, "-m", models[1], "--frames", 2)
    assert "two runs on " in said.err
    assert "not tensorrt: " in said.err


def test_whoever_waits_for_a_network_is_told_so(models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    enough = threading.Event()

    def load(config: Config) -> Loaded:  # a big one: done when somebody was told twice
        assert enough.wait(60)
        return networks(config), None

    def tell(text: str) -> None:
        told.append(text)
        if len(told) == 2:
            enough.set()

    monkeypatch.setattr(loading, "STILL_S", 0.5)
    monkeypatch.setattr(loading, "_load", load)
    with loading.Loading(Config(model=(str(models[1]),))) as waiting:
        assert waiting.result(tell)[0][0].card.name == "two"
    assert told[:2] == ["still loading two.onnx after 0 s", "still loading two.onnx after 1 s"]


def test_an_empty_name_is_not_the_folder_we_are_in(
    models: tuple[Path, Path], clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.png").write_bytes(cv2.imencode(".png", np.zeros((96, 128, 3), np.uint8))[1].tobytes())
    outputs = [(clip, option, "") for option in ("--save", "--json", "--masks", "--pictures", "--summary", "--trace")]
    for words in (("",), *outputs):
        said = dashmask("run", *words, "-m", models[1])
        assert (said.code, "is empty" in said.err) == (2, True), words
    assert dashmask("replay", "", "--out", "data", "-m", models[1]).code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.parametrize(
    "words", [("--blur", "car"), ("--cutout", "car"), ("--evidence", "kept", "--on", "car score>0.5")]
)
def test_what_is_not_looked_for_can_be_neither_hidden_nor_waited_for(
    models: tuple[Path, Path], clip: Path, tmp_path: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = ("run", clip, "-m", models[0], "-m", models[1], "--frames", 2, "--save", "o.mp4", *words)
    said = dashmask(*run, "--classes", "person")
    assert said.code == 2
    assert "'car' is not looked for, as decode.classes leaves it out" in said.err
    assert not (tmp_path / "o.mp4").exists()
    assert dashmask(*run, "--classes", "car").code == 0
    assert dashmask(*run, "--classes", "car", "--cutout", "red").code == 0  # of label maps all classes come out


def test_blur_hides_and_the_unknown_is_named(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    assert dashmask("run", clip, "-m", models[1], "--blur", "person", "--save", tmp_path / "o.mp4").code == 0
    said = dashmask("run", clip, "-m", models[1], "--blur", "persn", "--save", tmp_path / "p.mp4")
    assert said.code == 2
    assert "persn" in said.err
    assert "person" in said.err
    assert not (tmp_path / "p.mp4").exists()


def test_an_input_that_does_not_fit_into_memory_is_a_sentence(models: tuple[Path, Path], clip: Path) -> None:
    said = dashmask("run", clip, "-m", models[0], "--imgsz", 2_000_000)
    assert said.code == 2
    assert said.err.splitlines()[-2].startswith("error: not enough memory: Unable to allocate")


def test_a_gpu_that_is_required_and_not_there_is_an_error_with_every_reason(models: tuple[Path, Path]) -> None:
    said = dashmask("run", "demo", "-m", models[1], "--require", "gpu")
    if said.code == 0:
        pytest.skip("there is a GPU here")
    assert said.code == 2
    for name in ("tensorrt:", "tensorrt-rtx:", "onnxruntime-cuda:"):
        assert name in said.err
