"""Frames that the networks leave out: what is shown, numbered, steadied and written of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from carried_films import CLASSES, numbers, one_object, picture, shifted, square, watched
from command import dashmask
from numpy.typing import NDArray

import pipeline
from pipeline.records import encode_record
from pipeline.types import Labels, Scene

CPU = ("--backend", "onnxruntime-cpu")


def test_an_object_that_was_seen_once_gets_no_number_by_being_carried() -> None:
    frames = [picture(i, shifted(0)) for i in range(12)]
    nothing = one_object(100, 80, 40).take(np.array([], np.intp))
    look = lambda frame: Scene(frame, one_object(100, 80, 40) if frame.index in (3, 6) else nothing)  # noqa: E731
    once = watched(frames[:6], look, carry=2, objects=True)
    twice = watched(frames, look, carry=2, objects=True)
    assert numbers(once) == [[]] * 3 + [[0]] * 3
    assert numbers(twice) == [[]] * 3 + [[0]] * 3 + [[1]] * 3 + [[]] * 3


def test_a_wrong_answer_is_not_confirmed_by_the_frames_it_was_carried_to() -> None:
    frames = [picture(i, shifted(0)) for i in range(8)]
    wrong = square(100, 80, 60)
    wrong[100:110, 120:130] = 0
    said = {4: wrong}
    look = lambda frame: Scene(frame, labels=Labels(said.get(frame.index, square(100, 80, 60)), CLASSES))  # noqa: E731
    plain = watched(frames, look, carry=1)
    steady = watched(frames, look, carry=1, smooth=True)
    shown = [[bool(s.labels.map[105, 125]) for s in scenes if s.labels] for scenes in (plain, steady)]
    assert shown == [[True] * 4 + [False] * 2 + [True] * 2, [True] * 8]


def test_numbers_go_on_through_frames_that_nothing_looked_at() -> None:
    frames = [picture(i, shifted(5 * i)) for i in range(7)]
    seen = watched(frames, lambda f: Scene(f, one_object(200 - 5 * f.index, 80, 40)), carry=2, objects=True)
    assert [scene.instances.track_ids.tolist() for scene in seen if scene.instances] == [[1]] * 7  # type: ignore[union-attr]
    assert all(scene.frame.motion is None for scene in seen)  # nothing keeps flows alive


def test_a_run_says_which_frames_were_carried_and_leaves_the_others_as_they_are(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    nets = [word for model in models for word in ("-m", model)]
    drive, records = "demo:frames=12,size=320x192", {}
    for carry in (0, 2):
        outputs = (
            "--json",
            tmp_path / f"{carry}.jsonl",
            "--summary",
            tmp_path / f"{carry}.json",
            "--no-timing",
            "--trace",
            tmp_path / f"{carry}.trace",
        )
        said = dashmask("run", drive, *nets, "--carry", carry, *outputs, *CPU, "--save", tmp_path / f"{carry}.mp4")
        assert said.code == 0, said.err
        records[carry] = [json.loads(line) for line in (tmp_path / f"{carry}.jsonl").read_text().splitlines()]
    assert "12 processed (8 of them carried)" in " ".join((said.out + said.err).split())
    assert [record["index"] for record in records[2]] == list(range(12))
    assert [record.pop("carried", 0) for record in records[2]] == [0, 1, 2] * 4
    assert records[2][::3] == records[0][::3]
    assert [len(record["instances"]) for record in records[2]] == [2] * 12
    told = json.loads((tmp_path / "2.json").read_text())
    assert told["frames"]["carried"] == 8
    looked = {name: times["samples"] for name, times in told["stages_ms"].items()}
    assert looked["infer"] == looked["preprocess"] == looked["postprocess"] == 4
    assert looked["follow"] == looked["track"] == looked["video"] == 12
    assert "carried" not in json.loads((tmp_path / "0.json").read_text())["frames"]
    traced = {e["args"]["frame"]: e["args"] for e in json.loads((tmp_path / "2.trace").read_text()) if e["ph"] == "X"}
    assert [traced[i].get("carried", 0) for i in range(12)] == [0, 1, 2] * 4
    with pipeline.open(drive, models, track={"carry": 2}, backend={"name": CPU[1], "workers": 3}) as scenes:
        lines = [json.loads(encode_record(scene, timing=False)) for scene in scenes]
    for line in lines:
        line.pop("carried", None)
    assert lines == records[2]


def test_on_real_footage_carrying_loses_little_of_the_iou_that_holding_loses(shared: Path) -> None:
    clip, model = shared / "data/video/camvid_val_0016E5_15fps_h264.mp4", "roadnet-camvid"
    truths = sorted((shared / "data/camvid").rglob("valannot/*.png"))[:60]  # of the frames of the clip
    settings: dict[str, Any] = {"backend": {"name": CPU[1]}, "source": {"frames": len(truths)}}
    every = [scene.labels.map for scene in pipeline.open(clip, model, **settings) if scene.labels]
    carried = list(pipeline.open(clip, model, track={"carry": 1}, **settings))
    moved = [i for i, scene in enumerate(carried) if scene.frame.carried]
    assert moved == list(range(1, len(truths), 2))

    def mean_iou(shown: Sequence[NDArray[np.uint8]]) -> float:
        confusion = np.zeros(121, np.int64)
        for i, labels in zip(moved, shown, strict=True):
            truth = cv2.imread(str(truths[i]), cv2.IMREAD_UNCHANGED)
            known = truth < 11
            confusion += np.bincount(truth[known].astype(int) * 11 + labels[known], minlength=121)
        counts = confusion.reshape(11, 11)
        union = counts.sum(0) + counts.sum(1) - np.diag(counts)
        return float(np.mean(np.diag(counts)[union > 0] / union[union > 0]))

    looked = mean_iou([every[i] for i in moved])
    followed = mean_iou([scene.labels.map for scene in carried if scene.labels and scene.frame.carried])
    held = mean_iou([every[i - 1] for i in moved])
    assert looked - held > 0.03
    assert looked - followed < (looked - held) / 3


@pytest.mark.parametrize("word", ["-1", "101", "many"])
def test_a_wrong_number_is_refused(word: str, clip: Path) -> None:
    said = dashmask("run", clip, "--carry", word)
    assert said.code == 2
    assert "carry" in said.err
