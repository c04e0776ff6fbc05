"""`dashmask score --mapping`: predictions and truth of other classes, by a table."""

from __future__ import annotations

import json
from pathlib import Path

import benchmarks_on_disk as on_disk
import cv2
import numpy as np
import pytest
from benchmarks_on_disk import CAR, PERSON, SIDE, put, run_lengths, squares
from command import dashmask, scored

from pipeline.formats.coco_categories import COCO_CATEGORY_IDS, COCO_NAMES

pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")

BENCH = (1, 1, 7, 7)


def table(folder: Path, name: str, classes: str, network: str, dataset: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"classes: [{classes}]\nnetwork: {{{network}}}\ndataset: {{{dataset}}}\n")
    return path


def frames(path: Path, names: tuple[str, str], *more: str) -> Path:
    """Scalabel's frames with a person and a car in each, and objects of other categories."""
    found = [*zip(names, (PERSON, CAR), strict=True), *((name, BENCH) for name in more)]
    labels = [
        {"id": str(number), "category": name, "score": 0.9, "rle": {"counts": run_lengths(box), "size": [SIDE, SIDE]}}
        for number, (name, box) in enumerate(found)
    ]
    path.write_text(json.dumps([{"name": f"{index:04}.png", "labels": labels} for index in range(5)]))
    return path


def test_scalabel_categories_go_by_the_table_and_those_without_a_place_in_it_are_said(tmp_path: Path) -> None:
    on_disk.scalabel(tmp_path)
    truth = tmp_path / "frames.json"
    words = "--format", "scalabel"
    same = scored(tmp_path, frames(tmp_path / "a.json", ("person", "car")), truth, *words)
    other = frames(tmp_path / "b.json", ("human", "vehicle"), "bench")
    assert "unknown category 'human'" in dashmask("score", other, truth, *words, "--strict").err
    map_ = table(tmp_path, "t", "person, car", "human: person, vehicle: car", "person: person, car: car")
    what = scored(tmp_path, other, truth, *words, "--mapping", map_)
    assert what["mask"]["classes"] == same["mask"]["classes"]
    assert what["mapping"] == "t"
    assert what["left_out"]["count"] == 0
    assert what["objects"]["unmapped"]["predicted"] == {"bench": 5}


def test_coco_results_of_a_network_of_80_classes_go_by_the_table(tmp_path: Path) -> None:
    on_disk.coco(tmp_path)
    truth = tmp_path / "annotations/instances_val2017.json"
    data = json.loads(truth.read_text())
    for category, name in zip(data["categories"], ("pedestrian", "motor car"), strict=True):
        category["name"] = name
    truth.write_text(json.dumps(data))

    def rows(path: Path, person: int, car: int, *more: int) -> Path:
        found = [(person, PERSON), (car, CAR), *((one, BENCH) for one in more)]
        path.write_text(
            json.dumps(
                [
                    {
                        **{"image_id": image_id, "category_id": category, "score": 0.5},
                        "segmentation": {"size": [SIDE, SIDE], "counts": run_lengths(box)},
                    }
                    for image_id in range(7, 12)
                    for category, box in found
                ]
            )
        )
        return path

    same = scored(tmp_path, rows(tmp_path / "a.json", 3, 90), truth, "--format", "coco")
    map_ = table(
        tmp_path,
        "t",
        "pedestrian, motor car",
        "person: pedestrian, car: motor car",
        "pedestrian: pedestrian, motor car: motor car",
    )
    found = rows(tmp_path / "b.json", 1, 3, 15)  # COCO's person, car and bench
    what = scored(tmp_path, found, truth, "--format", "coco", "--mapping", map_)
    assert what["mask"]["classes"] == same["mask"]["classes"]
    assert what["objects"]["unmapped"]["predicted"] == {"bench": 5}


def test_coco_has_80_categories_in_the_order_of_their_ids() -> None:
    names = dict(zip(COCO_CATEGORY_IDS, COCO_NAMES, strict=True))
    assert (len(names), names[1], names[15], names[90]) == (80, "person", "bench", "toothbrush")
    assert names[13] == "stop sign"


def test_label_maps_are_compared_in_fewer_classes_and_the_benchmarks_own_figures_stay(tmp_path: Path) -> None:
    on_disk.cityscapes(tmp_path)
    both = hits = 0
    for index in range(5):
        truth = squares(index)[1]
        found = np.roll(truth, 1, 0)
        put(tmp_path / f"out/bonn_{index:06}_000019.png", np.array([7, 23, 26], np.uint8)[found])
        ground, said = truth < 2, found < 2
        hits, both = hits + int((ground & said).sum()), both + int((ground | said).sum())
    names = "road: ground, sky: ground, car: car"
    words = tmp_path / "out", tmp_path / "gtFine/val", "--format", "cityscapes"
    plain = scored(tmp_path, *words)
    what = scored(tmp_path, *words, "--mapping", table(tmp_path, "t", "ground, car", names, names))
    assert list(what["classes"]) == ["ground", "car"]
    assert what["classes"]["ground"]["IoU"] == pytest.approx(hits / both, abs=1e-12)
    assert what["classes"]["car"]["IoU"] == plain["classes"]["car"]["IoU"]
    assert what["cityscapes"] == plain["cityscapes"]


def test_label_maps_and_objects_take_the_first_table_that_is_for_them(tmp_path: Path) -> None:
    on_disk.cityscapes(tmp_path)
    for index in range(5):
        name = f"bonn_{index:06}_000019"
        labels = cv2.imread(str(tmp_path / f"gtFine/val/bonn/{name}_gtFine_labelIds.png"), cv2.IMREAD_UNCHANGED)
        put(tmp_path / f"out/{name}.png", labels)
        put(tmp_path / "out/m.png", on_disk.squares(index)[1])
        (tmp_path / f"out/{name}.txt").write_text("m.png 24 0.5\n")
    ground = "road: ground, sky: ground"
    maps = (
        table(tmp_path, "maps", "ground", ground, ground),
        table(tmp_path, "things", "anything", *["person: anything, car: anything"] * 2),
    )
    words = tmp_path / "out", tmp_path / "gtFine/val", "--format", "cityscapes"
    what = scored(tmp_path, *words, "--mapping", maps[0], "--mapping", maps[1])
    assert sorted(what["mapping"]) == ["maps", "things"]
    assert list(what["mask"]["classes"]) == ["anything"]
    assert list(what["classes"]) == ["ground"]
    what = scored(tmp_path, *words, "--mapping", maps[1])  # label maps have persons and cars, too
    assert (what["mapping"], list(what["classes"])) == ("things", ["anything"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--mapping", "coco-on-cityscape"), "did you mean coco-on-cityscapes"),
        (("--mapping", "camvid-on-camvid32"), "is not for the network"),
        (("--mapping", "cityscapes-on-camvid"), "is not for the data set"),
    ],
)
def test_a_table_for_something_else_is_an_error(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    on_disk.cityscapes(tmp_path)
    for index in range(5):
        put(tmp_path / f"out/bonn_{index:06}_000019.png", np.full((SIDE, SIDE), 7, np.uint8))
    said = dashmask("score", tmp_path / "out", tmp_path / "gtFine/val", "--format", "cityscapes", *words)
    assert said.code == 2
    assert says in said.err, said.err
    assert said.err.count("error: ") == 1


def test_a_table_that_nothing_uses_is_an_error(tmp_path: Path) -> None:
    put(tmp_path / "gt/lane/masks/0000.png", np.full((SIDE, SIDE), 255, np.uint8))
    words = tmp_path / "gt/lane/masks", tmp_path / "gt/lane/masks", "--format", "bdd100k"
    said = dashmask("score", *words, "--mapping", "coco-on-cityscapes")
    assert said.code == 2
    assert "coco-on-cityscapes is for none of the classes" in said.err
