"""Two Ray nodes: the same bytes and the same figures as one machine, although a node and the driver are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clips import write_clip
from command import Said, dashmask
from test_evaluate import painted

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
pytest.importorskip("pyarrow", reason="no pyarrow here: install the extra `replay`")
ray = pytest.importorskip("ray", reason="no Ray here: install the extra `ray`")

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(900)]  # Ray's own; and it starts slowly
CPU = ("--backend", "onnxruntime-cpu")


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes of one core each, on this machine; new for each test: one of them is killed by a test."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_worker_niceness", "0")  # else Ray's workers give way to everything else on this machine
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        small = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
        nodes = Cluster(initialize_head=True, head_node_args=small)
        nodes.second = nodes.add_node(num_cpus=1, object_store_memory=100 << 20)
        yield nodes
        nodes.shutdown()


def on_ray(cluster: Any) -> tuple[object, ...]:
    return "--engine", "ray", "--ray-address", cluster.address, "--cpus", 1


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "records").glob("*.parquet"))}


def test_a_killed_driver_and_a_killed_node_change_no_byte(
    cluster: Any, models: tuple[Path, Path], tmp_path: Path
) -> None:
    drives = tmp_path / "in"
    drives.mkdir()
    one = write_clip(drives / "0.mp4", "libx264", frames=60, options={"g": "15"})
    for index in range(1, 15):
        os.link(one, drives / f"{index}.mp4")
    (drives / "broken.mp4").write_bytes(one.read_bytes()[:500])
    base = ("replay", drives, "-m", models[1], "--segment", 1.5, *CPU)
    assert dashmask(*base, "--out", tmp_path / "here", "--workers", 1).code == 1
    out = tmp_path / "there"
    words = [*map(str, (*base, "--out", out, *on_ray(cluster)))]
    driver = subprocess.Popen(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *words], stderr=subprocess.PIPE, text=True
    )
    until(lambda: (out / "records").exists() and len(contents(out)) >= 2, driver)
    driver.kill()
    driver.communicate()
    whole = len(contents(out))
    assert whole < 15
    driver = subprocess.Popen(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *words, "--resume"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: len(contents(out)) > whole + 1, driver)
    cluster.remove_node(cluster.second, allow_graceful=False)
    said, err = driver.communicate(timeout=400)
    assert driver.returncode == 1, err
    assert "broken.mp4" in said
    assert contents(out) == contents(tmp_path / "here")
    here, there = (json.loads((folder / "report.json").read_text()) for folder in (tmp_path / "here", out))
    for key in ("digest", "frames", "rows", "clips", "failures"):
        assert there[key] == here[key]


def until(what: Any, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 400
    while not what():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def evaluated(out: Path, *words: object) -> tuple[Said, dict[str, Any]]:
    said = dashmask("eval", *words, *CPU, "--json", out)
    assert said.code == 0, said.err
    what = json.loads(out.read_text())
    not_of_accuracy = ("fps", "workers", "stages_ms", "age_ms", "frames", "source", "fps_steady", "warm_up_frames")
    for name in (*not_of_accuracy, "first_frame_s", "peak_rss_mb", "notes", "machine", "models", "dashmask"):
        what.pop(name, None)
    return said, what


def test_label_maps_score_the_same_to_the_last_digit(cluster: Any, models: tuple[Path, Path], tmp_path: Path) -> None:
    painted(tmp_path, count=9)
    (tmp_path / "images" / "4.png").write_bytes(b"no picture")
    words = ("--dataset", "folders", "--root", tmp_path, "--split", "all", "-m", models[0], "--boundary")
    _, here = evaluated(tmp_path / "a.json", *words)
    said, there = evaluated(tmp_path / "b.json", *words, *on_ray(cluster))
    assert there == here
    assert (here["images"], here["left_out"]["count"]) == (8, 1)
    assert "by" in said.out
    assert "workers, their start included" in said.out


def test_a_worker_that_never_finds_room_and_a_lost_node_hold_nothing_up(
    cluster: Any, models: tuple[Path, Path], tmp_path: Path
) -> None:
    painted(tmp_path, count=9)
    words = ("--dataset", "folders", "--root", tmp_path, "--split", "all", "-m", models[0])
    _, here = evaluated(tmp_path / "a.json", *words)
    cluster.remove_node(cluster.second, allow_graceful=False)
    _, there = evaluated(tmp_path / "b.json", *words, *on_ray(cluster), "--workers", 2)  # room for one
    assert there == here


def test_objects_score_the_same_to_the_last_digit(cluster: Any, shared: Path, tmp_path: Path) -> None:
    model = shared / "weights" / "yolo11n-seg.onnx"
    data = ("--dataset", "coco", "--root", shared / "data" / "tiny-coco", "--split", "val2017", "-m", model)
    words = (*data, "--imgsz", 160, "--set", "decode.conf=0.05")
    _, here = evaluated(tmp_path / "a.json", *words)
    _, there = evaluated(tmp_path / "b.json", *words, *on_ray(cluster))
    assert there == here
    assert here["mask"]["AP"] > 0.05
    assert here["images"] == 50


def test_what_needs_one_machine_is_refused(models: tuple[Path, Path], tmp_path: Path) -> None:
    for words, says in (
        (("--dataset", "demo:frames=3", "--engine", "ray"), "a drawn drive"),
        (("--dataset", "folders", "--root", tmp_path, "--engine", "ray", "--streaming"), "--streaming"),
        (("--dataset", "folders", "--root", tmp_path, "--engine", "rya"), "rya"),
        (("--dataset", "folders", "--root", tmp_path, "--workers", 2), "--engine ray"),
    ):
        said = dashmask("eval", *words, "-m", models[0])
        assert (said.code, says in said.err) == (2, True), said.err


def test_a_cluster_that_is_not_there_is_one_sentence(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    words = ("replay", clip, "-m", models[0], "--out", tmp_path / "o", "--engine", "ray")
    said = dashmask(*words, "--ray-address", "127.0.0.1:9")
    assert (said.code, "Ray cluster at 127.0.0.1:9" in said.err) == (2, True), said.err
    assert not (tmp_path / "o").exists()
