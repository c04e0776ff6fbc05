"""`dashmask eval` of networks that find objects: AP, the masks as a label map, panoptic quality, what is left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from benchmarks_on_disk import CAR, PERSON
from command import dashmask
from marked_images import NONE, Box, Marked, Quiet, config, labelled, marked

from pipeline.cli.eval_table import tables
from pipeline.config_file import load
from pipeline.errors import DataError, ModelError
from pipeline.evaluation.evaluate import DEFAULTS, evaluate, evaluation_report
from pipeline.evaluation.labelled import Labelled
from pipeline.evaluation.mapping import find_mapping
from pipeline.evaluation.report import Worst
from pipeline.evaluation.report.page import html
from pipeline.evaluation.scoring import Scores
from pipeline.types import VOID, Classes, Picture, TrueObjects

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")


def scored(data: Labelled, model: Path) -> dict[str, Any]:
    return evaluation_report(evaluate(data, config(model), Quiet()))


def test_a_network_that_is_always_right_has_an_ap_of_one(two: Path) -> None:
    what = scored(labelled(Marked([marked([PERSON, CAR], [0, 1])], 3)), two)
    assert what["box"]["AP"] == pytest.approx(1)
    assert what["mask"]["AP"] == what["mask"]["AP50"] == pytest.approx(1)
    assert what["mIoU"] == what["classes"]["car"]["IoU"] == 1
    assert what["mIoU_of"] == "painted masks"
    assert (what["images"], what["objects"]["truth"], what["objects"]["found"]) == (3, 6, 9)
    assert what["objects"]["shown"] == {"score": 0.25, "IoU": 0.5, "hits": 6, "false": 0, "missed": 0, "F1": 1}
    assert what["fps"] > 0
    assert what["age_ms"]["p50"] > 0
    json.dumps(what, allow_nan=False)


def test_unlikely_objects_count_in_the_precision_but_are_not_painted(two: Path) -> None:
    ghost = (50, 55, 60, 62)
    what = scored(labelled(Marked([marked([PERSON, CAR, ghost], [0, 1, 1])])), two)
    assert what["mask"]["classes"]["car"]["AP"] == pytest.approx(1)
    assert what["decode"]["conf"] == 0.001
    car, ghost_px = (60 - 34) * (50 - 10), 10 * 7
    assert what["classes"]["car"]["IoU"] == pytest.approx(car / (car + ghost_px))
    assert what["objects"]["shown"]["missed"] == 1


def test_misses_crowds_and_ignored_objects_cost_what_the_protocol_says(two: Path) -> None:
    missed = marked([PERSON, CAR, (0, 50, 12, 62)], [0, 1, 0])
    what = scored(labelled(Marked([missed])), two)
    assert what["mask"]["classes"]["person"]["AR100"] == pytest.approx(0.5)
    unsure = marked([PERSON, CAR, (0, 50, 12, 62)], [0, 1, 0], crowd=[2])
    assert scored(labelled(Marked([unsure])), two)["mask"]["AP"] == pytest.approx(1)
    what = scored(labelled(Marked([marked([PERSON, CAR], [0, 1], ignore=[1])])), two)
    assert what["mask"]["classes"]["car"]["AP"] is None
    assert what["objects"]["ignored"] == 1
    assert what["pixels"]["void"] == (60 - 34) * (50 - 10)
    assert scored(labelled(Marked([marked([], [])])), two)["mask"]["AP"] is None


def test_objects_that_are_marked_by_boxes_alone_have_no_mask_ap_and_no_masks_to_paint(
    two: Path, tmp_path: Path
) -> None:
    """As YOLO's boxes and COCO's files with `"segmentation": []` have them."""

    def boxes(where: Sequence[Box]) -> TrueObjects:
        whole = marked(where, list(range(len(where))))
        nothing = np.zeros(0, np.uint8), np.zeros(len(where) + 1, np.int64)
        bare = replace(whole.instances, crops_px=np.zeros((len(where), 4), np.int32), arena=nothing[0])
        return replace(whole, instances=replace(bare, offset=nothing[1]))

    seen: list[float] = []
    data = labelled(Marked([boxes([PERSON, CAR]), boxes([PERSON, (0, 0, 9, 9)]), boxes([])]))
    worst = Worst()

    def look(picture: Picture, quality: float, scores: Scores) -> None:
        seen.append(quality)
        worst(picture, quality, scores)

    found = evaluate(data, config(two), Quiet(), seen=look)
    what = evaluation_report(found)
    assert seen == pytest.approx([1, 0.5, 0])
    assert what["box"]["classes"]["person"]["AP"] == pytest.approx(1)
    assert ("mask" in what, what["mIoU"]) == (False, None)
    assert what["objects"]["shown"]["hits"] == 3
    assert "boxes alone" in what["not_scored"][0]
    page = html(what, worst)
    assert "box AP" in page
    assert "mask AP" not in page
    assert any("AP" in str(column.header) for table in tables(what) for column in table.columns)


def test_broken_images_are_left_out_and_said_or_stop_it_where_strict(two: Path) -> None:
    objects = [marked([PERSON, CAR], [0, 1]), None]
    what = scored(labelled(Marked(objects, 2)), two)
    assert (what["images"], what["left_out"]["count"]) == (2, 2)
    assert what["left_out"]["files"][0] == {"name": "1.png", "reason": "1.png is cut off"}
    with pytest.raises(DataError, match="cut off"):
        evaluate(labelled(Marked(objects, 2), strict=True), config(two), Quiet())


def test_classes_are_compared_by_table_and_what_it_leaves_out_is_counted(two: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.yaml"
    table.write_text("classes: [Peaton]\nnetwork: {person: Peaton}\ndataset: {Peaton: Peaton}\n")
    classes = Classes(("Pista", "Peaton"), ((0, 0, 0), (1, 1, 1)))
    data = labelled(Marked([marked([CAR, PERSON], [0, 1], classes)], classes=classes))
    what = evaluation_report(evaluate(data, config(two), Quiet(), [str(table)]))
    assert what["mask"]["AP"] == pytest.approx(1)
    assert what["objects"]["unmapped"] == {"truth": {"Pista": 1}, "predicted": {"car": 2}}


def test_a_network_and_a_data_set_with_nothing_in_common_are_told_apart(two: Path) -> None:
    nothing = Marked([marked([], [])])
    data = Labelled("marked", "all", "free", NONE, labelled(nothing).source, None)
    with pytest.raises(ModelError, match="finds objects"):
        evaluate(data, config(two), Quiet())


def test_every_frame_is_seen_with_how_good_it_is(two: Path) -> None:
    good, bad, none = marked([PERSON, CAR], [0, 1]), marked([PERSON, (0, 0, 9, 9)], [0, 1]), marked([], [])
    seen: list[float] = []

    def look(picture: Picture, quality: float, scores: Scores) -> None:
        seen.append(quality)

    evaluate(labelled(Marked([good, bad, none])), config(two), Quiet(), seen=look)
    assert seen == pytest.approx([1, 0.5, 0])


def test_memory_stays_flat_over_thousands_of_images(two: Path) -> None:
    process = psutil.Process()
    resident: list[int] = []

    def look(picture: Picture, quality: float, scores: Scores) -> None:
        if picture.scene.frame.index % 500 == 499:
            resident.append(process.memory_info().rss)

    count = 2000
    data = labelled(Marked([marked([PERSON, CAR], [0, 1])], count))
    what = evaluation_report(evaluate(data, config(two), Quiet(), seen=look))
    assert what["objects"]["found"] == 3 * count
    # An image alone is 12 kB: keeping those of the last 1000 would be 12 MB.
    assert resident[-1] - resident[1] < 4e6


def test_drawn_frames_give_iou_and_ap(two: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.json"
    table = tmp_path / "same.yaml"
    table.write_text(
        "classes: [person, car]\nnetwork: {person: person, car: car}\ndataset: {person: person, car: car}\n"
    )
    words = ("--dataset", "demo:size=128x96,frames=3,seed=1", "-m", two, "--mapping", table, "--json", out)
    said = dashmask("eval", *words, "--backend", "onnxruntime-cpu")
    assert said.code == 0, said.err
    what = json.loads(out.read_text())
    for figure in (what["box"]["AP"], what["mask"]["AP50"], what["mIoU"]):
        assert figure is not None
        assert 0 <= figure < 1
    assert what["objects"]["truth"] > 0
    assert "box AP" in said.out
    assert "0 left out" in said.out


def test_two_networks_are_scored_apart_and_together(two: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    out, colours, things = tmp_path / "o.json", tmp_path / "colours.yaml", tmp_path / "things.yaml"
    colours.write_text("classes: [sky, road]\nnetwork: {blue: sky, green: road}\ndataset: {sky: sky, road: road}\n")
    things.write_text("classes: [car]\nnetwork: {car: car}\ndataset: {car: car}\n")
    words = ("--dataset", "demo:size=128x96,frames=2", "-m", two, "-m", models[0], "--json", out)
    said = dashmask("eval", *words, "--mapping", things, "--mapping", colours, "--backend", "onnxruntime-cpu")
    assert said.code == 0, said.err
    what = json.loads(out.read_text())
    assert list(what["classes"]) == ["sky", "road"]
    assert what["mIoU_of"] == "label maps"
    assert list(what["mask"]["classes"]) == ["car"]
    assert set(what["panoptic"]["classes"]) == {"car", "sky", "road"}
    assert what["panoptic"]["classes"]["car"]["thing"]
    assert 0 <= what["panoptic"]["PQ"] <= 1
    assert "panoptic" in said.out


def test_settings_of_a_user_go_over_those_of_an_evaluation(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("decode: {conf: 0.85}\n")
    for file, sets, conf in ((mine, (), 0.85), (mine, ("decode.conf=0.5",), 0.5), (None, (), 0.001)):
        decode = load(None if file is None else str(file), sets, {"decode.conf": None}, DEFAULTS).decode
        assert (decode.conf, decode.iou, decode.max_det) == (conf, 0.7, 300)


THINGS = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
DATA = {
    "coco-on-cityscapes": THINGS,
    "coco-on-bdd100k": ("pedestrian", *THINGS[1:]),
    "coco-on-coad": ("Adas", "Moto", "Obstaculo", "Peaton", "Pista", "Vehiculo"),
    "coco-on-camvid": ("Road", "Car", "Pedestrian", "Bicyclist"),
}


def test_every_table_for_objects_names_classes_of_both_sides() -> None:
    tables = {path.stem for path in (Path(__file__).parents[1] / "configs/mappings").glob("coco-on-*.yaml")}
    assert tables == set(DATA)
    coco = (*(name for name in THINGS if name != "rider"), "traffic light", "dog")
    for name, classes in DATA.items():
        mapping = find_mapping(name, coco, classes)
        assert set(mapping.network) - {VOID} == set(mapping.dataset) - {VOID} == set(range(len(mapping.classes)))
        assert mapping.network[-1] == VOID


def test_in_a_region_of_no_class_nothing_is_scored(two: Path) -> None:
    region = marked([PERSON, (30, 0, 64, 64)], [0, -1], ignore=[1])
    other = marked([PERSON, (0, 50, 12, 62)], [0, 1])
    what = scored(labelled(Marked([region, other])), two)
    # The car that is found twice lies in the region once: it is wrong only where there is none.
    assert what["objects"]["shown"] == {"score": 0.25, "IoU": 0.5, "hits": 2, "false": 1, "missed": 1, "F1": 2 / 3}
    assert what["objects"]["unmapped"]["truth"] == {}
    assert what["pixels"]["void"] == (64 - 30) * 64
