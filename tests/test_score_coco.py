"""`dashmask score` says of rows of COCO and frames of Scalabel what pycocotools and Scalabel's package say."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import benchmarks_on_disk as on_disk
import numpy as np
import pytest
from benchmarks_on_disk import SIDE, run_lengths
from command import scored
from references import run_reference

from pipeline.metrics.instance import STATS
from pipeline.rle import encode_crop

pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")


@pytest.mark.parametrize(("kind", "name"), [("box", "bbox"), ("mask", "segm")])
def test_the_official_reference_evaluation_of_coco_scored_as_files(
    kind: str, name: str, shared: Path, tmp_path: Path
) -> None:
    folder = shared / "data/eval-coco"
    expected = json.loads((folder / "expected.json").read_text())[name]
    truth = folder / "faster_coco_eval/dataset/cocoapi/instances_val2014_100.json"
    what = scored(tmp_path, folder / expected["dt"], truth, "--format", "coco")
    assert [what[kind][stat] for stat in STATS] == pytest.approx(expected["stats"], abs=1e-6)
    assert (what["images"], what["left_out"]["count"]) == (100, 0)


@pytest.mark.parametrize("holds", ["boxes", "masks", "both"])
def test_coco_results_of_every_kind_are_scored_as_pycocotools_scores_them(holds: str, tmp_path: Path) -> None:
    on_disk.coco(tmp_path, 12)
    random = np.random.default_rng(len(holds))
    rows = []
    for image_id in range(7, 17):  # two images without a row
        for _ in range(random.integers(1, 6)):
            x0, y0 = random.integers(0, 30, 2).tolist()
            width, height = random.integers(4, 33, 2).tolist()
            row = {"image_id": image_id, "category_id": int(random.choice([3, 90])), "score": float(random.random())}
            if holds != "masks":
                row["bbox"] = [x0 + 0.25, y0, width - 0.5, height]
            if holds != "boxes":
                counts = run_lengths((x0, y0, x0 + width, y0 + height // 2))
                row["segmentation"] = {"size": [SIDE, SIDE], "counts": counts}
            rows.append(row)
    (tmp_path / "r.json").write_text(json.dumps(rows))
    truth = tmp_path / "annotations/instances_val2017.json"
    what = scored(tmp_path, tmp_path / "r.json", truth, "--format", "coco")
    for kind, name in (("box", "bbox"), ("mask", "segm")):
        if kind == "mask" and holds == "boxes":
            assert "mask" not in what
            continue
        expected = pycocotools(truth, tmp_path / "r.json", name)
        ours = [-1 if what[kind][stat] is None else what[kind][stat] for stat in STATS]
        assert ours == pytest.approx(expected, abs=1e-12), kind


@pytest.mark.parametrize(("kind", "name"), [("box", "bbox"), ("mask", "segm")])
def test_boxes_are_as_wide_as_the_files_say_not_as_their_edges_make_them(
    kind: str, name: str, tmp_path: Path
) -> None:
    """32.4 + 32 - 32.4 is more than 32: it would not be small, and its half no longer half of it."""
    image = {"id": 7, "file_name": "7.jpg", "width": SIDE, "height": SIDE}
    mask = {"size": [SIDE, SIDE], "counts": run_lengths((4, 4, 36, 36))}
    half = {"size": [SIDE, SIDE], "counts": run_lengths((4, 4, 36, 20))}
    away = {"size": [SIDE, SIDE], "counts": run_lengths((40, 40, 60, 60))}
    boxes = ([32.4, 32.4, 32.0, 32.0], [32.4, 32.4, 32.0, 16.0])
    truth = {"id": 1, "image_id": 7, "category_id": 3, "area": 1024.0, "iscrowd": 0}
    truth |= {"bbox": boxes[0], "segmentation": mask}
    what = {"images": [image], "categories": [{"id": 3, "name": "car"}], "annotations": [truth]}
    rows = [
        {"image_id": 7, "category_id": 3, "score": score, "bbox": box, "segmentation": one}
        for score, box, one in ((0.5, boxes[0], mask), (0.9, boxes[1], half), (0.95, [32.9, 0.5, 32.0, 32.0], away))
    ]
    (tmp_path / "t.json").write_text(json.dumps(what))
    (tmp_path / "r.json").write_text(json.dumps(rows))
    said = scored(tmp_path, tmp_path / "r.json", tmp_path / "t.json", "--format", "coco")
    ours = [-1 if said[kind][stat] is None else said[kind][stat] for stat in STATS]
    assert ours == pytest.approx(pycocotools(tmp_path / "t.json", tmp_path / "r.json", name), abs=1e-12)


def test_numbers_of_coco_may_be_written_as_3_0_and_groups_as_true_as_pycocotools_takes_them(tmp_path: Path) -> None:
    on_disk.coco(tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    what = json.loads(path.read_text())
    for place, one in enumerate(what["annotations"]):
        one |= {"id": float(one["id"]), "category_id": float(one["category_id"]), "iscrowd": place == 0}
    path.write_text(json.dumps(what))
    rows = [
        {"image_id": float(one["image_id"]), "category_id": one["category_id"], "bbox": one["bbox"], "score": 1}
        for one in what["annotations"][:-2]
    ]
    (tmp_path / "r.json").write_text(json.dumps(rows))
    said = scored(tmp_path, tmp_path / "r.json", path, "--format", "coco", "--strict")
    ours = [-1 if said["box"][stat] is None else said["box"][stat] for stat in STATS]
    assert ours == pytest.approx(pycocotools(path, tmp_path / "r.json", "bbox"), abs=1e-12)


def test_categories_of_one_name_are_told_apart_and_a_broken_truth_is_named_once(tmp_path: Path) -> None:
    on_disk.coco(tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    what = json.loads(path.read_text())
    what["categories"] = [{"id": 3, "name": "car"}, {"id": 90, "name": "Car"}]
    path.write_text(json.dumps(what))
    rows = [
        {key: one[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.5} for one in what["annotations"]
    ]
    (tmp_path / "r.json").write_text(json.dumps(rows[1:]))
    said = scored(tmp_path, tmp_path / "r.json", path, "--format", "coco")
    assert list(said["box"]["classes"]) == ["car (3)", "Car (90)"]
    ours = [-1 if said["box"][stat] is None else said["box"][stat] for stat in STATS]
    assert ours == pytest.approx(pycocotools(path, tmp_path / "r.json", "bbox"), abs=1e-12)
    what["annotations"][0]["segmentation"] = [[1, 2, 3, 4]]
    path.write_text(json.dumps(what))
    (left,) = scored(tmp_path, tmp_path / "r.json", path, "--format", "coco")["left_out"]["files"]
    assert "a polygon of 4 numbers" in left["reason"]


def test_objects_that_a_file_of_coco_ignores_count_as_with_pycocotools(tmp_path: Path) -> None:
    """COCOeval overwrites `ignore` with `iscrowd`."""
    on_disk.coco(tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    what = json.loads(path.read_text())
    what["annotations"][0]["ignore"] = what["annotations"][3]["ignore"] = 1
    path.write_text(json.dumps(what))
    rows = [
        {key: one[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.5} for one in what["annotations"]
    ]
    (tmp_path / "r.json").write_text(json.dumps(rows[1:3] + rows[4:]))
    said = scored(tmp_path, tmp_path / "r.json", path, "--format", "coco")
    ours = [-1 if said["box"][stat] is None else said["box"][stat] for stat in STATS]
    assert ours == pytest.approx(pycocotools(path, tmp_path / "r.json", "bbox"), abs=1e-12)


def pycocotools(truth: Path, results: Path, kind: str) -> list[float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        data = COCO(str(truth))
        said = COCOeval(data, data.loadRes(str(results)), kind)
        for step in (said.evaluate, said.accumulate, said.summarize):
            step()
    stats: list[float] = said.stats.tolist()
    return stats


SCALABEL = """
import contextlib, io, json, sys
from scalabel.eval.detect import evaluate_det
from scalabel.eval.ins_seg import evaluate_ins_seg
from scalabel.label.io import load
said = {}
with contextlib.redirect_stdout(io.StringIO()):
    for kind, score in (("box", evaluate_det), ("mask", evaluate_ins_seg)):
        truth, found = (load(path, nprocs=0) for path in sys.argv[1:3])
        figures = score(truth.frames, found.frames, truth.config, nproc=1).summary()
        said[kind] = {name: float(value) / 100 for name, value in figures.items()}
print(json.dumps(said))
"""


@pytest.mark.parametrize("seed", range(2))
def test_frames_of_scalabel_are_scored_as_its_package_scores_them(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    config = {"imageSize": {"height": 120, "width": 160}, "categories": [{"name": "person"}, {"name": "car"}]}
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for frame in range(8):
        for frames in (truth, found):
            frames.append({"name": f"{frame:03}.jpg", "labels": []})
        for number in range(4):  # next to each other: masks that overlap are no results for that package
            height, width = random.integers(4, 26), random.integers(4, 130)
            mask = np.zeros((120, 160), np.bool_)
            mask[2 + 29 * number : 2 + 29 * number + height, 20 : 20 + width] = True
            kind = str(random.choice(["person", "car"]))
            unsure = {name: bool(random.random() < 0.2) for name in ("crowd", "ignored")}
            truth[-1]["labels"].append(scalabel_label(number, kind, mask, random) | {"attributes": unsure})
            if random.random() < 0.8:
                mask = np.roll(mask, random.integers(-1, 2), 0)
                mask[:, 20 + int(random.integers(width // 2, width + 1)) :] = False
                label = scalabel_label(number, kind, mask, random)
                found[-1]["labels"].append(label | {"score": round(float(random.random()), 1)})
    truth.reverse()  # of equal scores the one counts first whose frame's name does
    for name, frames in (("t", truth), ("f", found)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"frames": frames, "config": config}))
    said = run_reference("bdd100k", SCALABEL, tmp_path / "t.json", tmp_path / "f.json")
    what = scored(tmp_path, tmp_path / "f.json", tmp_path / "t.json", "--format", "scalabel")
    for kind in ("box", "mask"):
        theirs = [said[kind][stat] for stat in STATS]
        ours = [np.nan if what[kind][stat] is None else what[kind][stat] for stat in STATS]
        assert ours == pytest.approx(theirs, abs=1e-9, nan_ok=True), kind


def test_masks_of_scalabel_that_overlap_are_said(tmp_path: Path) -> None:
    mask = np.ones((20, 30), np.bool_)
    labels = [scalabel_label(number, "car", mask, np.random.default_rng(0)) for number in range(2)]
    for name, count in (("t", 1), ("f", 2)):
        what = {"frames": [{"name": "a.jpg", "labels": labels[:count]}]}
        config = {"imageSize": {"height": 20, "width": 30}, "categories": [{"name": "car"}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(what | {"config": config}))
    assert "overlap" in scored(tmp_path, tmp_path / "f.json", tmp_path / "t.json", "--format", "scalabel")["note"]
    assert scored(tmp_path, tmp_path / "t.json", tmp_path / "t.json", "--format", "scalabel")["note"] == ""


def scalabel_label(number: int, kind: str, mask: Any, random: np.random.Generator) -> dict[str, Any]:
    """A label with a mask, and a box that is not quite around it."""
    ys, xs = np.nonzero(mask)
    corners = np.array([xs.min(), ys.min(), xs.max(), ys.max()]) + random.uniform(-1, 1, 4).round(1)
    rle = {"counts": encode_crop(mask, (0, 0), mask.shape), "size": list(mask.shape)}
    box = dict(zip(("x1", "y1", "x2", "y2"), corners.tolist(), strict=True))
    return {"id": str(number), "category": kind, "rle": rle, "box2d": box}
