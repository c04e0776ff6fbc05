"""Names of classes and files stand on the screen as they are, also where rich would read them as its marks."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from command import dashmask
from rich.console import Console

from pipeline.cli.source_rows import rows

WILD = "a\x1b[31m\nerror: none.mp4"
CLASS, CLOSED = "lane [dashed]", "[/bold]"


def test_eval_and_a_file_that_is_left_out(models: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    cv2.imwrite(str(tmp_path / "images/[lone].png"), np.zeros((96, 128, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "images/0.png"), np.full((96, 128, 3), (0, 0, 255), np.uint8))
    cv2.imwrite(str(tmp_path / "masks/0.png"), np.zeros((96, 128), np.uint8))
    (tmp_path / "classes.txt").write_text("red\ngreen\nblue")
    table = tmp_path / "table.yaml"
    both = f'{{red: "{CLASS}", blue: "{CLOSED}", green: "{CLOSED}"}}'
    table.write_text(f'classes: ["{CLASS}", "{CLOSED}"]\nnetwork: {both}\ndataset: {both}\n')
    words = ("--root", tmp_path, "--split", "all", "-m", models[0], "--backend", "onnxruntime-cpu")
    said = dashmask("eval", "--dataset", "folders", *words, "--mapping", table)
    assert said.code == 0, said.err
    for name in (CLASS, CLOSED, "left out: [lone].png"):
        assert name in said.out, said.out


def test_what_a_terminal_would_obey_is_spelt_out_and_no_name_makes_a_line_of_ours(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    for words in ((WILD,), (clip, WILD)):
        said = dashmask("run", *words, "-m", models[1], "--backend", "onnxruntime-cpu")
        assert said.code in (1, 2), said.err
        assert "\x1b" not in said.err + said.out
        assert "a\\x1b[31m" in said.err
        assert not [line for line in said.err.splitlines() if line.startswith("error: none")]


def test_diff(tmp_path: Path) -> None:
    thing = {
        "class": CLASS,
        "class_id": 0,
        "score": 0.5,
        "box_xyxy": [1, 1, 4, 4],
        "rle": {"size": [8, 8], "counts": "P2"},
    }
    for name, things in (("a", []), ("b", [thing])):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"index": 0, "pts_s": 0.0, "instances": things}) + "\n")
    said = dashmask("diff", tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert said.code == 1, said.err
    assert CLASS in said.out


def test_the_rows_of_a_run() -> None:
    camera = "rtsp://[fe80::1]:554/front"
    one: Any = SimpleNamespace(
        name=camera,
        source=SimpleNamespace(state=SimpleNamespace(state="live", attempt=0, gaps=0)),
        age_s=None,
        ledger=SimpleNamespace(drops={}),
        summary=SimpleNamespace(processed=3),
    )
    console = Console(width=120)
    with console.capture() as capture:
        console.print(rows([one], {}))
    assert camera in capture.get()
