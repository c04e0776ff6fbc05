"""`dashmask score` says of pictures what the official tools of Cityscapes and BDD100K say of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command import scored
from references import run_reference
from test_metrics_bdd100k import INSTANCES, LANES, PANOPTIC, SEGMENTATION, SIZE, bitmask, scattered, seen, written
from test_metrics_cityscapes import OFFICIAL

from pipeline.classes import DRIVING
from pipeline.formats.davis import palette_png

pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")


def test_label_maps_of_anybody_are_scored_as_cityscapes_scripts_score_them(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    for folder in ("gt", "out/deep", "truth", "found"):
        (tmp_path / folder).mkdir(parents=True)
    for index in range(4):
        truth = np.kron(random.integers(0, 34, (12, 20)), np.ones((9, 9))).astype(np.uint8)
        found = np.roll(truth, random.integers(-5, 5, 2), (0, 1))
        wrong = random.random(truth.shape) < 0.2
        found[wrong] = random.choice([0, 7, 24, 26, 29], int(wrong.sum()))
        name = f"bonn_{index:06}_000019"
        for path, picture in (
            (f"gt/{name}_gtFine_labelIds.png", truth),
            (f"out/deep/{name}_leftImg8bit_mynet.png", found),
            (f"truth/{index}.png", truth),
            (f"found/{index}.png", found),
        ):
            cv2.imwrite(str(tmp_path / path), picture)
        if index % 2:  # the indices of a palette are the ids, whatever its colours
            (tmp_path / f"out/deep/{name}_leftImg8bit_mynet.png").write_bytes(palette_png(found))
            (tmp_path / f"found/{index}.png").write_bytes(palette_png(found))
    said = run_reference("cityscapes", OFFICIAL, tmp_path / "found", tmp_path / "truth")
    what = scored(tmp_path, tmp_path / "out", tmp_path / "gt", "--format", "cityscapes")
    ours = {name: what["classes"][name]["IoU"] for name in DRIVING.names}
    assert ours == pytest.approx({name: said["classes"][name] for name in DRIVING.names}, abs=1e-12)
    assert what["mIoU"] == pytest.approx(said["mean"], abs=1e-12)


def test_label_maps_are_scored_as_the_bdd100k_package_scores_them_and_a_missing_one_as_a_miss(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    truths = [np.kron(random.choice([0, 1, 8, 13, 255], (6, 9)), np.ones((9, 9))).astype(np.uint8) for _ in range(4)]
    founds = [np.where(random.random(t.shape) < 0.3, random.choice([0, 8, 13]), t).astype(np.uint8) for t in truths]
    written(tmp_path / "gt", list(truths))
    written(tmp_path / "out/sem_seg", [*founds[:3], None])
    (tmp_path / "out/sem_seg/001.png").write_bytes(palette_png(founds[1]))
    said = run_reference("bdd100k", SEGMENTATION, "sem_seg", tmp_path / "gt", tmp_path / "out/sem_seg")
    what = scored(tmp_path, tmp_path / "out", tmp_path / "gt", "--format", "bdd100k")
    assert what["missing"]["images"] == ["003"]
    ours = what["bdd100k"]
    assert ours["mIoU"] * 100 == pytest.approx(said["IoU"][-1]["AVERAGE"], abs=1e-9)
    assert ours["mAcc"] * 100 == pytest.approx(said["Acc"][-1]["AVERAGE"], abs=1e-9)
    assert [ours["fIoU"] * 100, ours["pAcc"] * 100] == pytest.approx([said["fIoU"], said["pAcc"]], abs=1e-9)


def test_bitmasks_are_scored_as_the_bdd100k_package_scores_them(tmp_path: Path) -> None:
    random = np.random.default_rng(12)
    truths = [scattered(random, [1, 3, 8], [0, 0, 0, 1, 2, 3]) for _ in range(6)]
    founds = [seen(random, truth) for truth in truths]
    written(tmp_path / "gt", [bitmask(one) for one in truths])
    written(tmp_path / "out/bitmasks", [bitmask(one) for one in founds])
    frames = [
        {
            "name": f"{index:03}.jpg",
            "labels": [{"index": number, "score": one[3]} for number, one in enumerate(found, 1)],
        }
        for index, found in enumerate(founds)
    ]
    (tmp_path / "out/scores.json").write_text(json.dumps(frames))
    found = (tmp_path / "out/bitmasks", tmp_path / "out/scores.json")
    said = run_reference("bdd100k", INSTANCES, tmp_path / "gt", *found)
    what = scored(tmp_path, tmp_path / "out", tmp_path / "gt", "--format", "bdd100k", "--task", "ins_seg")
    for name in ("AP", "AP50", "AP75", "APs", "APm", "AR1", "AR10", "AR100", "ARs", "ARm"):
        assert said[name] == pytest.approx(what["mask"][name] * 100, abs=1e-9), name


def test_lanes_are_scored_as_the_bdd100k_package_scores_them_and_a_missing_one_too(tmp_path: Path) -> None:
    random = np.random.default_rng(8)

    def drawn() -> Any:
        lanes = np.full(SIZE, 255, np.uint8)
        for value in random.choice([0b00000000, 0b00010110, 0b00100111, 0b00110010, 0b00001010], 4):
            (x0, y0), (x1, y1) = random.integers(0, SIZE[0], (2, 2)).tolist()
            cv2.line(lanes, (x0, y0), (x1, y1), int(value), 2)
        return lanes

    truths = [drawn() for _ in range(4)]
    written(tmp_path / "gt", truths)
    written(tmp_path / "out/lane/masks", [np.roll(truths[0], 1, 1), np.roll(truths[1], 3, 0), drawn(), None])
    said = run_reference("bdd100k", LANES, tmp_path / "gt", tmp_path / "out/lane/masks")
    what = scored(tmp_path, tmp_path / "out", tmp_path / "gt", "--format", "bdd100k", "--task", "lane")
    assert what["missing"]["images"] == ["003"]
    for pixels in (1, 2, 5):
        parts, ours = said[f"F1_pix{pixels}"], what["lane"][f"F1_pix{pixels}"]
        assert parts[-1]["AVERAGE"] == pytest.approx(ours["average"] * 100, abs=1e-9)
        assert parts[-2] == pytest.approx({task.upper(): one * 100 for task, one in ours["tasks"].items()}, abs=1e-9)
    assert 0.1 < what["lane"]["F1_pix5"]["average"] < 1


def test_panoptic_bitmasks_are_scored_as_the_bdd100k_package_scores_them(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    truths = [scattered(random, [7, 10, 31, 35, 33], [0, 0, 0, 3, 1]) for _ in range(5)]
    founds = [[(m, c if c > 4 else 31, a, s) for m, c, a, s in seen(random, truth)] for truth in truths]
    written(tmp_path / "gt", [bitmask(one) for one in truths])
    written(tmp_path / "out/pan_seg/bitmasks", [*(bitmask(one) for one in founds[:4]), None])
    said = run_reference("bdd100k", PANOPTIC, tmp_path / "gt", tmp_path / "out/pan_seg/bitmasks")
    what = scored(tmp_path, tmp_path / "out", tmp_path / "gt", "--format", "bdd100k")
    assert what["missing"]["images"] == ["004"]
    ours = what["panoptic"]
    for key in ("PQ", "SQ", "RQ"):
        assert said[key][2]["OVERALL"] == pytest.approx(ours[key] * 100, abs=1e-9)
        assert said[key][1]["THING"] == pytest.approx(ours["things"][key] * 100, abs=1e-9)
        assert said[key][1]["STUFF"] == pytest.approx(ours["stuff"][key] * 100, abs=1e-9)
        theirs = {name: value for name, value in said[key][0].items() if value}
        mine = {name: one[key] * 100 for name, one in ours["classes"].items() if one[key]}
        assert mine == pytest.approx(theirs, abs=1e-9)
    assert 0.1 < ours["PQ"] < 1
