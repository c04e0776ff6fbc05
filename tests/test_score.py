"""`dashmask score`: files of predictions are worth what the network is that made them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import benchmarks_on_disk as on_disk
import pytest
from command import dashmask

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")

SQUARES = """
classes: [road, sky, car]
network: {red: road, green: sky, blue: car}
dataset: {road: road, sky: sky, car: car}
"""
DRIVERS = "classes: [person, car]\nnetwork: {person: person, car: car}\ndataset: {person: person, car: car}"
WALKERS = "classes: [person, car]\nnetwork: {person: person, car: car}\ndataset: {pedestrian: person, car: car}"
THINGS = "classes: [object]\nnetwork: {car: object}\ndataset: {object: object}"
STATS = ("AP", "AP50", "AP75", "AR1", "AR10", "AR100")
SIZES = ("APs", "APm", "APl", "ARs", "ARm", "ARl")


class Case(NamedTuple):
    """A benchmark, and how it is evaluated and scored."""

    make: Callable[[Path], None]
    format: str
    dataset: str
    truth: str
    table: str = ""
    objects: bool = True
    split: str = "val"
    boxes: bool = False  # the format has them
    options: tuple[str, ...] = ()


CASES = {
    "cityscapes label maps": Case(on_disk.cityscapes, "cityscapes", "cityscapes", "gtFine/val", SQUARES, False),
    "cityscapes objects": Case(on_disk.cityscapes, "cityscapes", "cityscapes", ".", DRIVERS),
    "kitti label maps": Case(on_disk.kitti, "kitti", "kitti-semantic", ".", SQUARES, False, "training"),
    "kitti objects": Case(on_disk.kitti, "kitti", "kitti-semantic", "training", DRIVERS, split="training"),
    "bdd100k label maps": Case(on_disk.bdd100k, "bdd100k", "bdd100k", "labels/sem_seg/masks/val", SQUARES, False),
    "bdd100k objects": Case(on_disk.bdd100k, "bdd100k", "bdd100k-instances", ".", WALKERS),
    "coco": Case(on_disk.coco, "coco", "coco", "annotations/instances_val2017.json", boxes=True),
    "coco, unsorted": Case(
        on_disk.coco_upside_down, "coco", "coco", "annotations/instances_val2017.json", boxes=True
    ),
    "scalabel": Case(
        on_disk.scalabel,
        "scalabel",
        "scalabel",
        "frames.json",
        boxes=True,
        options=("labels=frames.json", "images=images"),
    ),
    "mots": Case(on_disk.mots, "mots", "kitti-mots", "instances", WALKERS, split="training"),
    "davis": Case(on_disk.davis, "davis", "davis", ".", THINGS),
}


def figures(folder: Path, *words: object) -> dict[str, Any]:
    said = dashmask(*words, "--json", folder / "o.json")
    assert said.code == 0, said.err
    what: dict[str, Any] = json.loads((folder / "o.json").read_text())
    return what


@pytest.mark.parametrize(("name", "task"), [("mots", ()), ("davis", ("--task", "unsupervised"))])
def test_what_a_network_follows_is_scored_as_followed(
    name: str, task: tuple[str, ...], two: Path, tmp_path: Path
) -> None:
    case = CASES[name]
    root = tmp_path / "data"
    root.mkdir()
    case.make(root)
    (tmp_path / "t.yaml").write_text(case.table)
    data = ("--dataset", case.dataset, "--root", root, "--split", case.split, "--mapping", tmp_path / "t.yaml")
    words = ("-m", two, "--backend", "onnxruntime-cpu", "--track", "--set", "decode.classes=[car]")
    said = dashmask("export-predictions", "--write", name, "--out", tmp_path / "out", *data, *words)
    assert said.code == 0, said.err
    what = figures(tmp_path, "score", tmp_path / "out", root / case.truth, "--format", name, *task)
    if name == "davis":
        assert 0.5 < what["davis"]["J&F-Mean"] < 1
        return
    car = what["mots"]["classes"]["car"]
    assert car["TP"] + car["FN"] == 4
    assert (car["IDS"], what["mots"]["classes"]["pedestrian"]["TP"]) == (0, 0)
    assert 0.5 < car["HOTA"] < 1


@pytest.mark.parametrize("name", CASES)
def test_files_score_what_their_network_scores(
    name: str, two: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    case = CASES[name]
    root = tmp_path / "data"
    root.mkdir()
    case.make(root)
    (tmp_path / "t.yaml").write_text(case.table)
    table = ("--mapping", tmp_path / "t.yaml") if case.table else ()
    options = [word for option in case.options for word in ("--option", option)]
    data = ("--dataset", case.dataset, "--root", root, "--split", case.split, *options)
    words = (*data, "-m", two if case.objects else models[0], "--backend", "onnxruntime-cpu", *table)
    out = ("--write", case.format, "--out", tmp_path / "out")
    if case.format == "davis":  # whose objects have no class, so that a network's person is one too
        words = (*words, "--set", "decode.classes=[car]")
    said = dashmask("export-predictions", *out, *words)
    assert said.code == 0, said.err
    evaluated = figures(tmp_path, "eval", *words)
    scored = figures(tmp_path, "score", tmp_path / "out", root / case.truth, "--format", case.format)
    assert scored["images"] == evaluated["images"] == 5
    assert (scored["left_out"]["count"], scored["missing"]["count"]) == (0, 0)
    assert scored["mIoU"] == pytest.approx(evaluated["mIoU"], abs=1e-12)
    assert 0 < scored["mIoU"] < 1
    if not case.objects:
        assert scored["classes"]["road"] == evaluated["classes"]["road"]
        return
    assert ("box" in scored) == case.boxes
    for kind in ("box", "mask") if case.boxes else ("mask",):
        for stat in (*STATS, *SIZES) if case.boxes else STATS:
            assert scored[kind][stat] == pytest.approx(evaluated[kind][stat], abs=1e-12), (kind, stat)
    assert 0.3 < scored["mask"]["AP"] < 1


def test_images_of_which_nothing_is_listed_are_said(two: Path, tmp_path: Path) -> None:
    case = CASES["coco"]
    case.make(tmp_path)
    data = ("--dataset", case.dataset, "--root", tmp_path, "--split", case.split)
    out = ("--write", case.format, "--out", tmp_path / "out")
    assert (
        dashmask("export-predictions", *out, *data, "-m", two, "--backend", "onnxruntime-cpu", "--frames", 2).code
        == 0
    )
    said = dashmask("score", tmp_path / "out", tmp_path / case.truth, "--format", case.format)
    assert "5 images, 0 without a prediction, 3 in which nothing was found, 0 left out" in said.out
