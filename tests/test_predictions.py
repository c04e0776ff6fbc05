"""`dashmask export-predictions`: what a run finds, in the files of a benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import dashmask

from pipeline.evaluation.predictions import renamed
from pipeline.rle import decode
from pipeline.types import VOID, Classes, Instances

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")

CPU = ("--backend", "onnxruntime-cpu")
PEOPLE_AND_CARS = """
classes: [car, person]
network: {person: person, car: car}
dataset: {pedestrian: person, car: car}
"""
COLOURS = """
classes: [road, sky, car]
network: {red: road, green: sky, blue: car}
dataset: {road: road, sky: sky, car: car}
"""


def test_coco_rows_are_the_objects_of_a_run(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    words = ("-m", models[1], "--frames", 3, *CPU)
    said = dashmask("export-predictions", "--write", "coco", "--out", tmp_path / "out", "--source", clip, *words)
    assert said.code == 0, said.err
    assert said.out.strip() == str(tmp_path / "out" / "results.json")
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    assert dashmask("run", clip, "--json", tmp_path / "run.jsonl", *words).code == 0
    records = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    found = [(record["index"], one) for record in records for one in record["instances"]]
    assert len(rows) == len(found) == 6
    for row, (index, one) in zip(rows, found, strict=True):
        assert row["image_id"] == index
        assert row["segmentation"] == one["rle"]
        assert row["score"] == pytest.approx(one["score"], abs=1e-4)


def test_a_table_leads_from_the_networks_classes_to_the_formats(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    base = (
        "export-predictions",
        "--write",
        "mots",
        "--out",
        tmp_path / "out",
        "--source",
        clip,
        "-m",
        models[1],
        *CPU,
    )
    said = dashmask(*base)
    assert said.code == 2
    assert "the data set's 2" in said.err
    assert not (tmp_path / "out").exists()
    (tmp_path / "table.yaml").write_text(PEOPLE_AND_CARS)
    said = dashmask(*base, "--mapping", tmp_path / "table.yaml", "--frames", 2)
    assert said.code == 0, said.err
    lines = [line.split() for line in (tmp_path / "out" / "0000.txt").read_text().splitlines()]
    assert [(line[0], line[2]) for line in lines] == [("0", "2"), ("0", "1"), ("1", "2"), ("1", "1")]
    masks = [decode(line[5], (int(line[3]), int(line[4]))) for line in lines[:2]]
    assert not (masks[0] & masks[1]).any()


def test_label_maps_carry_the_names_of_the_data_sets_images(models: tuple[Path, Path], tmp_path: Path) -> None:
    ids = np.kron(np.random.default_rng(0).integers(0, 3, (12, 16)), np.ones((8, 8), int)).astype(np.uint8)
    colours = np.array([(0, 0, 255), (0, 255, 0), (255, 0, 0)], np.uint8)
    for folder, picture in (("images", colours[ids]), ("masks", ids)):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "000003_10.png"), picture)
    (tmp_path / "classes.txt").write_text("red\ngreen\nblue\n")
    (tmp_path / "table.yaml").write_text(COLOURS)
    data = ("--dataset", "folders", "--root", tmp_path, "--split", "all", "--mapping", tmp_path / "table.yaml")
    base = ("export-predictions", "--write", "kitti", "--out", tmp_path / "out", "-m", models[0], *CPU)
    said = dashmask(*base, *data)
    assert said.code == 0, said.err
    written = cv2.imread(str(tmp_path / "out" / "semantic" / "000003_10.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(written, np.array([7, 23, 26])[ids])


def test_a_format_without_a_place_for_it_is_refused(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out", "--source", clip, *CPU)
    said = dashmask("export-predictions", "--write", "coco", "-m", models[0], *out)
    assert (said.code, "no place for" in said.err) == (2, True)
    assert "a network that gives objects (--model)" in said.err
    assert list(tmp_path.iterdir()) == []
    said = dashmask("export-predictions", "--write", "coco", "--out", tmp_path, "-m", models[1])
    assert (said.code, "--source" in said.err) == (2, True)


def test_what_is_not_named_there_is_left_out() -> None:
    crops = np.array([[0, 0, 2, 2], [1, 1, 4, 3], [0, 0, 1, 1]], np.int32)
    arena = np.arange(11).astype(np.uint8)
    found = Instances(
        crops.astype(np.float32),
        np.array([0.9, 0.8, 0.7], np.float32),
        np.array([0, 1, 2], np.int32),
        crops,
        arena,
        np.array([0, 4, 10, 11]),
        Classes(("a", "b", "c"), ()),
    )
    table = np.full(256, VOID, np.uint8)
    table[[0, 2]] = 1, 0
    left = renamed(found, table, Classes(("c", "a"), ()))
    assert left.class_ids.tolist() == [1, 0]
    assert left.arena.tolist() == [0, 1, 2, 3, 10]
    assert left.mask(1).tolist() == [[10]]
    assert len(renamed(found, np.full(256, VOID, np.uint8), found.classes)) == 0
