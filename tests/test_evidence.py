"""A black box: what is kept around an event, in how much memory and on how much disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import scene as drawn
from command import dashmask
from evidence_parts import HW, folders, found, indices, picture, sink, times_s, why

from pipeline.config import EvidenceConfig
from pipeline.errors import SinkError
from pipeline.evidence.conditions import parse
from pipeline.evidence.sink import EvidenceSink
from pipeline.image import Image
from pipeline.sinks.codecs import VideoConfig
from pipeline.types import Frame, Picture, Scene

CPU = ("--backend", "onnxruntime-cpu")


def test_the_seconds_before_and_after_are_kept_whole(tmp_path: Path) -> None:
    box = sink(tmp_path, "person area>2%")
    for index in range(100):
        seen = {50: found((10, 10, 60, 60)), 51: found((10, 10, 60, 60))}.get(index, found((0, 0, 8, 8)))
        box.write(picture(index, seen))
    box.close(True)
    (folder,) = folders(tmp_path)
    kept = indices(folder)
    assert kept == list(range(kept[0], 61))  # one second behind frame 50
    assert 20 <= kept[0] <= 30  # two seconds before it, and at most one more to begin where a picture stands alone
    assert times_s(folder / "video.mp4") == [round((index - kept[0]) / 10, 6) for index in kept]
    told = why(folder)
    assert (told["because"], told["frame"], told["pts_s"], told["whole"]) == ("person area>2%", 50, 5.0, True)
    assert "20.35 % of the picture" in told["seen"]
    assert told["video_zero_pts_s"] == pytest.approx(kept[0] / 10)
    assert (told["first_frame"], told["last_frame"], told["frames"]) == (kept[0], 60, len(kept))
    trace = json.loads((folder / "trace.json").read_text())
    assert {event["args"]["frame"] for event in trace if event["ph"] == "b" and event["name"] == "frame"} == set(kept)


def test_the_pictures_are_those_that_were_seen(tmp_path: Path) -> None:
    box = sink(tmp_path, "person")
    for index in range(45):
        box.write(picture(index, found((10, 10, 60, 60)) if index == 40 else None))
    box.close(True)
    (folder,) = folders(tmp_path)
    kept = indices(folder)
    with av.open(str(folder / "video.mp4")) as container:
        for index, frame in zip(kept, container.decode(video=0), strict=True):
            apart = np.abs(frame.to_ndarray(format="bgr24").astype(int) - drawn(index, HW)).mean()
            assert apart < 8, index
    assert why(folder)["ended"] == "the run ended"


def test_what_stays_is_one_event_and_what_comes_meanwhile_is_noted(tmp_path: Path) -> None:
    box = sink(tmp_path, "person", "car", after_s=0.5, cooldown_s=2)
    for index in range(100):
        seen = found((10, 10, 60, 60)) if index >= 20 else None
        if index == 23:
            seen = found((10, 10, 60, 60), class_id=1)
        box.write(picture(index, seen))
    box.close(True)
    (folder,) = folders(tmp_path)
    assert why(folder)["frame"] == 20
    assert [(one["because"], one["frame"]) for one in why(folder)["also"]] == [("car", 23), ("person", 24)]


def test_events_follow_on_one_another_only_after_the_cool_down(tmp_path: Path) -> None:
    box = sink(tmp_path, "person", before_s=0.2, after_s=0.2, cooldown_s=2)
    for index in range(100):
        box.write(picture(index, found((10, 10, 60, 60)) if index % 5 == 0 else None))
    box.close(True)
    assert [why(folder)["frame"] for folder in folders(tmp_path)] == [0, 25, 50, 75]


def test_a_frame_that_is_late_and_somebody_who_asks_are_reasons_too(tmp_path: Path) -> None:
    asked = iter([""] * 30 + ["SIGUSR1"] + [""] * 30)
    config = EvidenceConfig(before_s=0.5, after_s=0.2, cooldown_s=0)
    box = EvidenceSink(tmp_path, config, (parse("age>200ms"),), asked=lambda: next(asked))
    for index in range(60):
        box.write(picture(index, age_s=0.3 if index == 10 else 0.01))
    box.close(True)
    told = [why(folder) for folder in folders(tmp_path)]
    assert [(one["because"], one["frame"]) for one in told] == [("age>200ms", 10), ("SIGUSR1", 30)]
    assert told[0]["seen"].startswith("age 3")


def test_an_error_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    for name, on in (("a", ("error",)), ("b", ("person",))):
        box = sink(tmp_path / name, *on)
        for index in range(30):
            box.write(picture(index))
        box.close(False)
    (folder,) = folders(tmp_path / "a")
    assert why(folder)["ended"] == "the run ended with an error"
    assert indices(folder)[-1] == 29
    assert len(times_s(folder / "video.mp4")) == len(indices(folder))
    assert not folders(tmp_path / "b")


def test_an_encoder_that_refuses_is_told_in_a_sentence(tmp_path: Path) -> None:
    box = EvidenceSink(tmp_path, EvidenceConfig(), (parse("error"),), video=VideoConfig(preset="none-such"))
    with pytest.raises(SinkError, match="libx264 does not take these pictures"):
        box.write(picture(0))
    box.close(False)
    assert folders(tmp_path) == []


def test_memory_does_not_grow_and_short_memory_is_told(tmp_path: Path) -> None:
    box = sink(tmp_path, "person", before_s=3600, memory_mb=1)
    rng = np.random.default_rng(0)
    sizes = []
    for index in range(300):
        image = Image((rng.integers(0, 256, (*HW, 3)).astype(np.uint8),), "bgr24")
        frame = Frame(index, index, Fraction(1, 10), time.monotonic(), image)
        box.write(Picture(Scene(frame, found()), image))
        sizes.append(box._ring.size)
    box.close(True)
    stretch = max(sizes) / 10
    assert 0.5e6 < max(sizes) < 1e6 + 2 * stretch
    assert any("memory_mb" in note for note in box.notes)


def test_live_seconds_are_those_of_the_clock(tmp_path: Path) -> None:
    config = EvidenceConfig(before_s=2, after_s=1, cooldown_s=1)
    box = EvidenceSink(tmp_path, config, (parse("person"),), live=True)
    for index in range(60):
        image = Image((drawn(index, HW),), "bgr24")
        frame = Frame(index, 0, Fraction(1, 1000), 100 + index / 10, image)  # a stream that lost its times
        seen = found((10, 10, 60, 60)) if index == 40 else found()
        box.write(Picture(Scene(frame, seen), image))
    box.close(True)
    kept = indices(folders(tmp_path)[0])
    assert kept[-1] == 50
    assert kept[0] <= 20


def test_a_run_keeps_evidence_beside_its_outputs(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    words = (
        "--evidence",
        tmp_path / "e",
        "--on",
        "person score>0.5",
        "--on",
        "age>0ms",
        "--json",
        tmp_path / "o.jsonl",
    )
    said = dashmask("run", clip, "-m", models[1], *words, *CPU)
    assert said.code == 0, said.err
    (folder,) = folders(tmp_path / "e")
    assert (folder / "records.jsonl").read_text().count("\n") == len(times_s(folder / "video.mp4")) == 25
    assert "evidence of 1 events" in said.err
    refused = dashmask("run", clip, "-m", models[1], "--on", "person")
    assert (refused.code, "--evidence DIR" in refused.err) == (2, True)
    refused = dashmask("run", clip, "-m", models[1], *words[:2], "--on", "persn", *CPU)
    assert (refused.code, "did you mean 'person'" in refused.err) == (2, True)


def test_what_was_kept_is_of_use_when_the_process_is_killed(models: tuple[Path, Path], tmp_path: Path) -> None:
    words = ["run", "demo:size=320x240,frames=100000", "-m", models[1], "--evidence", "e", "--on", "person", *CPU]
    words += ["--set", "evidence.after_s=3600"]
    child = subprocess.Popen(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *map(str, words)],
        cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s and child.poll() is None:
        begun = [path.stat().st_size for path in (tmp_path / "e").glob("*/video.mp4")]
        sizes = [path.stat().st_size for path in (tmp_path / "e").glob("*/records.jsonl")]
        if any(begun) and sizes and sizes[0] > 60_000:  # several seconds of film, the first of them in the video
            break
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate(timeout=60)
    (folder,) = folders(tmp_path / "e")
    assert why(folder)["whole"] is False
    kept = indices(folder)  # every line is whole
    shown = times_s(folder / "video.mp4")
    assert shown == sorted(shown)
    fps = 1 / (shown[1] - shown[0])
    assert len(kept) - fps <= len(shown) <= len(kept) + 1  # it plays to the last second
