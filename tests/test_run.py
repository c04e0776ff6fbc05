"""A whole run: footage in, pictures and exact records out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from command import dashmask

import pipeline
from engines.embedded import BEST
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.networks import networks
from pipeline.running import loading
from pipeline.running.loading import Loaded

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")

CLIPS = sorted(["camvid_val_0016E5_15fps_h264.mp4", "intel_car-detection.mp4", "kitti_2011_09_26_10fps_hevc.mp4",
    "kitti_2011_09_26_10fps_h264_bframes.mp4", "kitti_2011_09_26_raw.h264", "kitti_2011_09_26_10fps_vp9.webm",
    "kitti_2011_09_26_rotate90_h264.mp4", "kitti_2011_09_26_vfr_h264.mp4", "paroque_road.avi",
    "udacity_solidWhiteRight.mp4", "udacity_test_video.mp4"])  # fmt: skip


def times_s(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return sorted(float(p.pts * p.time_base) for p in container.demux(stream) if p.pts is not None)


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


def test_python_gets_the_same_scenes(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    dashmask("run", clip, "-m", models[1], "--json", tmp_path / "o.jsonl")
    boxes = [json.loads(line)["instances"][0]["box_xyxy"] for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    scenes = list(pipeline.open(clip, model=models[1]))
    assert [s.frame.index for s in scenes] == list(range(25))
    assert np.allclose([s.instances.boxes_xyxy[0] for s in scenes if s.instances is not None], boxes, atol=0.01)
    truth = {name: scenes[0].instances.classes.names[i] for i, name in enumerate(("person", "car"))}  # type: ignore[union-attr]
    assert truth == {"person": "person", "car": "car"}


def test_the_api_is_to_be_seen_and_takes_the_number_of_a_camera(models: tuple[Path, Path]) -> None:
    assert {"open", "Scene", "UserError"} <= set(dir(pipeline))
    with pytest.raises(UserError, match="/dev/video63"), pipeline.open(63, model=models[1]) as scenes:
        next(scenes)


def test_leaving_the_loop_early_leaves_no_thread(models: tuple[Path, Path]) -> None:
    before = set(threading.enumerate())
    with pipeline.open("demo:size=160x120", model=models) as scenes:
        for scene in scenes:
            if scene.frame.index == 3:
                break
    assert set(threading.enumerate()) == before
    with pipeline.open("demo", model=models):
        pass  # never iterated
    assert set(threading.enumerate()) == before


def test_another_thread_may_end_the_loop(models: tuple[Path, Path]) -> None:
    before = set(threading.enumerate())
    scenes = pipeline.open("demo:size=160x120,frames=100000", model=models)
    taken: list[list[int]] = [[], []]
    threads = [
        threading.Thread(target=lambda mine=mine: mine.extend(s.frame.index for s in scenes), daemon=True)  # type: ignore[misc]
        for mine in taken
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while not all(taken) and not any(len(mine) > 20 for mine in taken) and time.monotonic() < deadline:
        time.sleep(0.02)
    scenes.close()
    for thread in threads:
        thread.join(10)
    assert set(threading.enumerate()) == before
    assert sorted(taken[0] + taken[1]) == list(range(sum(map(len, taken))))


def test_the_api_refuses_what_it_would_ignore_and_says_what_is_near(models: tuple[Path, Path], clip: Path) -> None:
    assert len(list(pipeline.open(clip, models[1], source={"frames": 3}))) == 3
    for sections, says in (
        ({"output": {"save": "o.mp4"}}, "`output` is of what a run does"),
        ({"decode": {"cnof": 0.2}}, "did you mean `conf`"),
    ):
        with pytest.raises(UserError, match=says):
            pipeline.open(clip, models[1], **sections)


@pytest.mark.parametrize("keeps", ["", "scenes = "])
def test_a_program_that_breaks_off_in_the_middle_ends_well(models: tuple[Path, Path], clip: Path, keeps: str) -> None:
    loop = "scenes" if keeps else f"pipeline.open({str(clip)!r}, model={str(models[1])!r})"
    program = f"""
import pipeline
{keeps and f"scenes = pipeline.open({str(clip)!r}, model={str(models[1])!r})"}
for scene in {loop}:
    print(scene.frame.index)
    if scene.frame.index == 2:
        break
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n1\n2\n", "")


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
    assert "tracked" not in said.err
    assert "coloured" not in said.err


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


def test_an_input_that_does_not_fit_into_memory_is_a_sentence(models: tuple[Path, Path], clip: Path) -> None:
    said = dashmask("run", clip, "-m", models[0], "--imgsz", 2_000_000)
    assert said.code == 2
    assert said.err.splitlines()[-2].startswith("error: not enough memory: Unable to allocate")


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


def test_a_gpu_that_is_required_and_not_there_is_an_error_with_every_reason(models: tuple[Path, Path]) -> None:
    said = dashmask("run", "demo", "-m", models[1], "--require", "gpu")
    if said.code == 0:
        pytest.skip("there is a GPU here")
    assert said.code == 2
    for name in ("tensorrt:", "tensorrt-rtx:", "onnxruntime-cuda:"):
        assert name in said.err


def test_what_was_passed_over_is_said_with_its_reason(models: tuple[Path, Path], clip: Path) -> None:
    said = dashmask("run", clip, "-m", models[1], "--frames", 2)
    assert "two runs on " in said.err
    assert "not tensorrt: " in said.err


def test_blur_hides_and_the_unknown_is_named(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    assert dashmask("run", clip, "-m", models[1], "--blur", "person", "--save", tmp_path / "o.mp4").code == 0
    said = dashmask("run", clip, "-m", models[1], "--blur", "persn", "--save", tmp_path / "p.mp4")
    assert said.code == 2
    assert "persn" in said.err
    assert "person" in said.err
    assert not (tmp_path / "p.mp4").exists()


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


def test_without_a_model_the_best_embedded_one_runs() -> None:
    with pipeline.open("demo:frames=1,size=320x240") as scenes:
        assert [net.card.name for net in scenes.networks] == [BEST]
        (scene,) = scenes
    assert scene.labels is not None
    assert scene.labels.map.shape == (240, 320)


def test_an_unknown_section_is_named(models: tuple[Path, Path]) -> None:
    with pytest.raises(UserError, match="decde"):
        pipeline.open("demo", model=models, decde={"conf": 0.5})


def test_two_networks_never_wait_for_each_other_at_their_first_frame(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    words = ["run", clip, "-m", models[0], "-m", models[1], "--backend", "openvino", "--json", "o.jsonl"]
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", *map(str, words)]
    for _ in range(6):  # a lock taken in the wrong order once stopped one of four fresh processes
        subprocess.run(command, cwd=tmp_path, timeout=60, check=True, capture_output=True)
