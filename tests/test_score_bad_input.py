"""What is wrong in predictions or truth is named with file and reason, and never scores better than nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from broken_predictions import CASES, bitmasks, city, coco
from command import dashmask

pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_named_left_out_and_ends_it_where_strict(name: str, tmp_path: Path) -> None:
    good, broken, says = CASES[name]
    predictions, truth, kind = good(tmp_path)
    words = ("score", predictions, truth, "--format", kind, "--json", tmp_path / "o.json")
    assert dashmask(*words, "--strict").code == 0
    whole = json.loads((tmp_path / "o.json").read_text())
    broken(tmp_path)
    said = dashmask(*words)
    assert said.code == 0, said.err
    what = json.loads((tmp_path / "o.json").read_text())
    count = what["left_out"]["count"] + what["missing"]["count"]
    assert count >= 1
    assert f"{what['left_out']['count']} left out" in said.out
    for word in says:
        assert word in said.out, said.out
    if what["images"] == whole["images"]:
        assert best(what) <= best(whole)
    said = dashmask(*words, "--strict")
    assert said.code == 2
    assert said.err.count("error: ") == 1
    for word in says:
        assert word in said.err, said.err


def best(what: dict[str, Any]) -> float:
    if "lane" in what:
        return float(what["lane"]["F1_pix5"]["average"])
    if "panoptic" in what:
        return float(what["panoptic"]["PQ"])
    return float(what["mask"]["AP50"] if "mask" in what else what["mIoU"])


@pytest.mark.parametrize(
    ("good", "path", "content", "says"),
    [
        (coco, "results.json", '[{"image_id": 7,', "broken JSON"),
        (coco, "results.json", '{"frames": []}', "expected `array`"),
        (coco, "data/annotations/instances_val2017.json", '{"images": [', "broken JSON"),
        (bitmasks, "out/ins_seg/scores.json", "[", "broken JSON"),
    ],
)
def test_broken_json_is_one_sentence(
    good: Callable[[Path], tuple[Path, Path, str]], path: str, content: str, says: str, tmp_path: Path
) -> None:
    predictions, truth, kind = good(tmp_path)
    (tmp_path / path).write_text(content)
    said = dashmask("score", predictions, truth, "--format", kind)
    assert said.code == 2
    assert Path(path).name in said.err
    assert says in said.err
    assert said.err.count("error: ") == 1


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    results, truth, _ = coco(tmp_path)
    for read in (results, truth):
        whole = read.read_bytes()
        said = dashmask("score", results, truth, "--format", "coco", "--json", read)
        assert (said.code, read.read_bytes() == whole) == (2, True), said.err


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    predictions, truth, _ = city(tmp_path)
    file = tmp_path / "results.json"
    file.write_text("[]")
    for words, says in (
        ((predictions, truth, "--format", "citiscapes"), "did you mean cityscapes"),
        ((predictions, tmp_path / "no", "--format", "cityscapes"), "is not there"),
        ((tmp_path / "no", truth, "--format", "cityscapes"), "is not there"),
        ((predictions, tmp_path / "out", "--format", "cityscapes"), "no image to score"),
        ((predictions, tmp_path / "out", "--format", "bdd100k"), "--task"),
        ((predictions, truth, "--format", "cityscapes", "--json", tmp_path / "no/o.json"), "there is no folder"),
        ((file, truth, "--format", "coco", "--json", file), "is what is read"),
    ):
        said = dashmask("score", *words)
        assert said.code == 2
        assert says in said.err, said.err
