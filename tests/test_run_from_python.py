"""Python gets the scenes of a run, may stop where it likes, and is told what it got wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from command import dashmask

import pipeline
from engines.embedded import BEST
from pipeline.errors import UserError

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")


def test_python_gets_the_same_scenes(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    dashmask("run", clip, "-m", models[1], "--json", tmp_path / "o.jsonl")
    boxes = [json.loads(line)["instances"][0]["box_xyxy"] for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    scenes = list(pipeline.open(clip, model=models[1]))
    assert [s.frame.index for s in scenes] == list(range(25))
    assert np.allclose([s.instances.boxes_xyxy[0] for s in scenes if s.instances is not None], boxes, atol=0.01)
    truth = {name: scenes[0].instances.classes.names[i] for i, name in enumerate(("person", "car"))}  # type: ignore[union-attr]
    assert truth == {"person": "person", "car": "car"}


def test_without_a_model_the_best_embedded_one_runs() -> None:
    with pipeline.open("demo:frames=1,size=320x240") as scenes:
        assert [net.card.name for net in scenes.networks] == [BEST]
        (scene,) = scenes
    assert scene.labels is not None
    assert scene.labels.map.shape == (240, 320)


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


def test_the_api_refuses_what_it_would_ignore_and_says_what_is_near(models: tuple[Path, Path], clip: Path) -> None:
    assert len(list(pipeline.open(clip, models[1], source={"frames": 3}))) == 3
    for sections, says in (
        ({"output": {"save": "o.mp4"}}, "`output` is of what a run does"),
        ({"decode": {"cnof": 0.2}}, "did you mean `conf`"),
    ):
        with pytest.raises(UserError, match=says):
            pipeline.open(clip, models[1], **sections)


def test_an_unknown_section_is_named(models: tuple[Path, Path]) -> None:
    with pytest.raises(UserError, match="decde"):
        pipeline.open("demo", model=models, decde={"conf": 0.5})
