"""What is wrong in a data set is named with file and reason by `eval` and by `data check`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import benchmarks_on_disk as on_disk
import numpy as np
import pytest
from benchmarks_on_disk import CAR, SIDE, put, run_lengths
from broken_predictions import annotated, cut
from command import dashmask
from test_score import SQUARES, WALKERS

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")

IDS = np.array([7, 23, 26], np.uint8)
LABEL = "data/training/semantic/000001_10.png"


class Benchmark(NamedTuple):
    """A data set of five images, and how it is asked for."""

    make: Callable[[Path], None]
    words: tuple[str, ...]
    network: int  # of the fixture `models`
    table: str = ""


def mots_txt(root: Path) -> None:
    """A car in every frame, as text."""
    on_disk.mots(root)
    lines = [f"{frame} 1001 1 {SIDE} {SIDE} {run_lengths(CAR)}\n" for frame in range(5)]
    (root / "instances_txt").mkdir()
    (root / "instances_txt/0002.txt").write_text("".join(lines))


def one_more(line: str) -> Callable[[Path], object]:
    def add(root: Path) -> None:
        with (root / "data/instances_txt/0002.txt").open("a") as file:
            file.write(line + "\n")

    return add


KITTI = Benchmark(on_disk.kitti, ("--dataset", "kitti-semantic", "--split", "training"), 0, SQUARES)
COCO = Benchmark(on_disk.coco, ("--dataset", "coco", "--split", "val"), 1)
MOTS = Benchmark(mots_txt, ("--dataset", "kitti-mots", "--split", "training", "--option", "txt=true"), 1, WALKERS)
CASES: dict[str, tuple[Benchmark, Callable[[Path], object], tuple[str, ...]]] = {
    "a missing label": (KITTI, lambda r: (r / LABEL).unlink(), ("000001_10.png", "without a label")),
    "a label of another size": (KITTI, lambda r: put(r / LABEL, IDS[:, None]), ("000001_10", "1x3")),
    "an unknown class": (
        KITTI,
        lambda r: put(r / LABEL, np.full((SIDE, SIDE), 77, np.uint8)),
        ("semantic/000001_10.png", "77"),
    ),
    "a truncated PNG": (KITTI, cut(LABEL), ("semantic/000001_10.png", "cut off")),
    "a truncated image": (KITTI, cut("data/training/image_2/000001_10.png"), ("image_2/000001_10.png", "cut off")),
    "an id twice": (
        COCO,
        annotated(lambda w: w["annotations"][1].update(id=1)),
        ("000000000000.jpg", "annotation id 1 is"),
    ),
    "an image id twice": (COCO, annotated(lambda w: w["images"][1].update(id=7)), ("image id 7 is there twice",)),
    "an unknown category": (
        COCO,
        annotated(lambda w: w["annotations"][0].update(category_id=5)),
        ("000000000000.jpg", "category 5"),
    ),
    "masks that overlap": (
        MOTS,
        one_more(f"1 1002 1 {SIDE} {SIDE} {run_lengths(CAR)}"),
        ("0002.txt: frame 1", "overlaps another one"),
    ),
}


def on(benchmark: Benchmark, root: Path) -> list[object]:
    return ["--root", root / "data", *benchmark.words]


@pytest.mark.parametrize("name", CASES)
def test_a_broken_label_is_named_left_out_and_ends_it_where_strict(
    name: str, models: tuple[Path, Path], tmp_path: Path
) -> None:
    benchmark, broken, says = CASES[name]
    (tmp_path / "data").mkdir()
    benchmark.make(tmp_path / "data")
    broken(tmp_path)
    checked = dashmask("data", "check", *on(benchmark, tmp_path))
    assert checked.code == 1
    words = ["eval", *on(benchmark, tmp_path), "-m", models[benchmark.network], "--backend", "onnxruntime-cpu"]
    if benchmark.table:
        (tmp_path / "t.yaml").write_text(benchmark.table)
        words += ["--mapping", tmp_path / "t.yaml"]
    said = dashmask(*words, "--json", tmp_path / "o.json")
    assert said.code == 0, said.err
    left_out = json.loads((tmp_path / "o.json").read_text())["left_out"]
    assert left_out["count"] >= 1
    assert f"{left_out['count']} left out" in said.out
    strict = dashmask(*words, "--strict")
    assert strict.code == 2
    assert strict.err.count("error: ") == 1
    for word in says:
        for text in (checked.out, said.out, strict.err):
            assert word in text, text


@pytest.mark.parametrize("content", ['{"images": [', "[]", '{"images": [], "annotations": [], "categories": [{}]}'])
def test_broken_json_is_one_sentence(content: str, models: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    on_disk.coco(tmp_path / "data")
    (tmp_path / "data/annotations/instances_val2017.json").write_text(content)
    for command in (("eval", "-m", models[1]), ("data", "check")):
        said = dashmask(*command, *on(COCO, tmp_path))
        assert said.code == 2
        assert said.err.count("error: ") == 1
        assert "instances_val2017.json" in said.err


def test_an_empty_split_is_one_sentence(models: tuple[Path, Path], tmp_path: Path) -> None:
    for folder in ("image_2", "semantic"):
        (tmp_path / "data/training" / folder).mkdir(parents=True)
    for command in (("eval", "-m", models[0]), ("data", "check")):
        said = dashmask(*command, *on(KITTI, tmp_path))
        assert said.code == 2
        assert "the split is empty" in said.err
