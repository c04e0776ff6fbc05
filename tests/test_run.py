"""A whole run: footage in, pictures and exact records out."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from command import dashmask
from video_parts import times_s

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")

CLIPS = sorted(["camvid_val_0016E5_15fps_h264.mp4", "intel_car-detection.mp4", "kitti_2011_09_26_10fps_hevc.mp4",
    "kitti_2011_09_26_10fps_h264_bframes.mp4", "kitti_2011_09_26_raw.h264", "kitti_2011_09_26_10fps_vp9.webm",
    "kitti_2011_09_26_rotate90_h264.mp4", "kitti_2011_09_26_vfr_h264.mp4", "paroque_road.avi",
    "udacity_solidWhiteRight.mp4", "udacity_test_video.mp4"])  # fmt: skip


def test_every_frame_comes_out_with_its_picture_its_masks_and_its_record(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    semantic, instance = models
    said = dashmask(
        *("run", clip, "-m", semantic, "-m", instance, "--save", tmp_path / "o.mp4", "--json", tmp_path / "o.jsonl"),
        *("--masks", tmp_path / "masks", "--pictures", tmp_path / "png", "--summary", tmp_path / "o.json"),
        *("--backend", "onnxruntime-cpu"),
    )
    assert said.code == 0, said.err
    records = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [record["index"] for record in records] == list(range(25))
    assert [i["class"] for i in records[7]["instances"]] == ["person", "car"]
    assert set(records[7]["labels"]) <= {"red", "green", "blue"}
    assert records[7]["timing"]["age_ms"] > 0
    assert times_s(tmp_path / "o.mp4") == times_s(clip) == [record["pts_s"] for record in records]
    assert len(list((tmp_path / "png").glob("*.png"))) == 25
    assert len(list((tmp_path / "masks" / "labels").glob("*.png"))) == 25
    assert (tmp_path / "masks" / "classes.json").is_file()
    summary = json.loads((tmp_path / "o.json").read_text())
    assert summary["frames"] == {"in": 25, "processed": 25, "dropped": {}}
    assert {model["backend"] for model in summary["models"]} == {"onnxruntime-cpu"}
    assert not list(tmp_path.glob("*.part*"))


def test_two_runs_give_the_same_bytes(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        words = ("-m", models[0], "-m", models[1], "--json", tmp_path / f"{name}.jsonl", "--no-timing")
        assert dashmask("run", clip, *words).code == 0
    first = (tmp_path / "a.jsonl").read_bytes()
    assert first.count(b"\n") == 25
    assert first == (tmp_path / "b.jsonl").read_bytes()
    assert b"timing" not in first


def test_the_name_of_a_source_may_be_longer_than_that_of_a_file(models: tuple[Path, Path], tmp_path: Path) -> None:
    drawn = f"lavfi:testsrc=size=64x48:rate=30{',hue=h=0' * 40}"
    said = dashmask("run", drawn, "-m", models[1], "--frames", 3, "--json", tmp_path / "o.jsonl")
    assert said.code == 0, said.err
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 3


def test_start_every_and_frames_choose(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    words = ("--start", 0.5, "--every", 4, "--frames", 3, "--json", tmp_path / "o.jsonl")
    assert dashmask("run", clip, "-m", models[1], *words).code == 0
    times = [json.loads(line)["pts_s"] for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert times == pytest.approx([0.5, 0.9, 1.3])


def test_a_file_without_times_gets_the_rate_of_the_source(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    said = dashmask("run", clip, "-m", models[1], "--frames", 6, "--save", tmp_path / "o.avi")
    assert said.code == 0, said.err
    with av.open(str(tmp_path / "o.avi")) as container:
        assert container.streams.video[0].average_rate == 10
    assert np.diff(times_s(tmp_path / "o.avi")) == pytest.approx(0.1)
    assert "rounded" not in said.err  # 10 frames a second fit exactly
    assert dashmask("run", clip, "-m", models[1], "--frames", 1, "--save", tmp_path / "one.mp4").code == 0
    with av.open(str(tmp_path / "one.mp4")) as container:
        assert container.duration == pytest.approx(100_000)  # us; a single frame lasts as long as the rate says


def test_pictures_of_many_sizes_are_one_run(models: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for index, (height, width) in enumerate([(96, 128), (97, 131), (128, 96)]):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((height, width, 3), 90, np.uint8))
    words = ("--save", tmp_path / "o.mp4", "--json", tmp_path / "o.jsonl")
    said = dashmask("run", folder, "-m", models[0], "-m", models[1], *words)
    assert said.code == 0, said.err
    sizes = [
        json.loads(line)["instances"][0]["rle"]["size"] for line in (tmp_path / "o.jsonl").read_text().splitlines()
    ]
    assert sizes == [[96, 128], [97, 131], [128, 96]]
    assert "the pictures changed their size" in said.err
    assert len(times_s(tmp_path / "o.mp4")) == 3


@pytest.mark.parametrize("name", CLIPS)
def test_every_real_clip_runs_to_its_last_frame_with_its_own_times(
    shared: Path, models: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    source = shared / "data/video" / name
    words = ("-m", models[0], "-m", models[1], "--save", tmp_path / "o.mp4", "--json", tmp_path / "o.jsonl")
    said = dashmask("run", source, *words, "--no-timing")
    assert said.code == 0, said.err
    with av.open(str(source)) as container:
        frames = [frame.pts for frame in container.decode(video=0)]
        base = container.streams.video[0].time_base
    records = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert len(records) == len(frames) == len(times_s(tmp_path / "o.mp4"))
    if frames[0] is not None:
        expected = [float(pts * base) for pts in frames]
        assert [record["pts_s"] for record in records] == expected
        assert times_s(tmp_path / "o.mp4") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("model", ["yolo11n-seg.onnx", "enet_cityscapes_512x1024.onnx"])
def test_real_networks_see_what_is_on_the_motorway(shared: Path, tmp_path: Path, model: str) -> None:
    clip = shared / "data/video/udacity_test_video.mp4"
    for name in ("a", "b"):
        words = ("--frames", 12, "--json", tmp_path / f"{name}.jsonl", "--no-timing")
        said = dashmask("run", clip, "-m", shared / "weights" / model, *words)
        assert said.code == 0, said.err
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    for record in map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines()):
        if "instances" in record:
            assert [i["class"] for i in record["instances"]].count("car") >= 2
        else:
            assert {"road", "vegetation", "car"} <= set(record["labels"])
