"""`dashmask eval`: the stages of a run beside the truth, classes compared by name, nothing left out in silence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command import Said, dashmask
from numpy.typing import NDArray
from tiny_models import fcn

import pipeline
from engines.card import read_card
from pipeline.datasets import open_dataset
from pipeline.evaluation.trained_on import trained_on
from pipeline.types import VOID

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")

NAMES = ("red", "green", "blue")
BGR = np.array([(0, 0, 255), (0, 255, 0), (255, 0, 0)], np.uint8)
CPU = ("--backend", "onnxruntime-cpu")


def painted(root: Path, count: int = 3, names: Sequence[str] = NAMES) -> list[NDArray[np.uint8]]:
    """Images whose squares of 8 pixels are red, green or blue, labelled in the order of `names`; what is seen."""
    seen = []
    for index in range(count):
        cells = np.random.default_rng(index).integers(0, 3, (12, 16))
        ids = np.kron(cells, np.ones((8, 8), int)).astype(np.uint8)
        truth = np.array([names.index(name) for name in NAMES], np.uint8)[ids]
        for folder, picture in (("images", BGR[ids]), ("masks", truth)):
            (root / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(root / folder / f"{index}.png"), picture)
        seen.append(ids)
    (root / "classes.txt").write_text("\n".join(names))
    return seen


def score(root: Path, model: Path, *words: object) -> tuple[Said, dict[str, Any]]:
    out = root / "out.json"
    base = ("eval", "--dataset", "folders", "--root", root, "--split", "all", "-m", model, "--json", out, *CPU)
    said = dashmask(*base, *words)
    return said, json.loads(out.read_text()) if out.exists() else {}


def test_a_network_that_is_always_right_scores_one(models: tuple[Path, Path], tmp_path: Path) -> None:
    painted(tmp_path)
    said, what = score(tmp_path, models[0])
    assert said.code == 0, said.err
    assert what["mIoU"] == what["pixel_accuracy"] == what["class_accuracy"] == 1
    assert (what["images"], what["left_out"]["count"], what["mapping"]) == (3, 0, "same names")
    assert what["pixels"]["scored"] == 3 * 96 * 128
    assert what["fps"] > 0
    assert what["stages_ms"]["infer"]["samples"] == 3
    for word in ("red", "100.0", "mean", "3 images, 0 left out", "frames/s", "network"):
        assert word in said.out, word


def test_errors_in_the_truth_cost_exactly_what_they_are(models: tuple[Path, Path], tmp_path: Path) -> None:
    seen = painted(tmp_path)
    truth = [ids.copy() for ids in seen]
    truth[0][:24] = 2
    truth[1][:, :40] = VOID
    for index, ids in enumerate(truth):
        cv2.imwrite(str(tmp_path / f"masks/{index}.png"), ids)
    _, what = score(tmp_path, models[0])
    a, b = np.stack(truth), np.stack(seen)
    for k, name in enumerate(NAMES):
        inside = a != VOID
        iou = ((a == k) & (b == k)).sum() / (((a == k) | (b == k)) & inside).sum()
        assert what["classes"][name]["IoU"] == pytest.approx(iou, rel=1e-12)
    assert what["pixels"]["void"] == 96 * 40


def test_labels_in_which_nothing_is_said_are_named_as_such(models: tuple[Path, Path], tmp_path: Path) -> None:
    for index, ids in enumerate(painted(tmp_path)):
        cv2.imwrite(str(tmp_path / f"masks/{index}.png"), np.full(ids.shape, VOID, np.uint8))
    said, what = score(tmp_path, models[0])
    assert (said.code, what["mIoU"]) == (0, None)
    assert "not scored: label maps: no pixel of them has a class" in said.out


def test_classes_are_compared_by_name_not_by_number(models: tuple[Path, Path], tmp_path: Path) -> None:
    painted(tmp_path, names=("blue", "red", "green"))
    _, what = score(tmp_path, models[0])
    assert what["mIoU"] == 1
    assert list(what["classes"]) == ["blue", "red", "green"]


def test_other_classes_need_a_table(models: tuple[Path, Path], tmp_path: Path) -> None:
    painted(tmp_path, names=("red", "green", "blue", "mauve"))
    said, _ = score(tmp_path, models[0])
    assert said.code == 2
    assert "mauve" in said.err
    assert "--mapping" in said.err


def test_what_a_table_leaves_out_is_void_in_truth_a_miss_as_predicted_and_counted(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    seen = np.stack(painted(tmp_path, names=NAMES))
    table = tmp_path / "warm.yaml"
    table.write_text("classes: [warm, cold]\nnetwork: {red: warm, blue: cold}\ndataset: {red: warm, blue: cold}\n")
    said, what = score(tmp_path, models[0], "--mapping", table)
    assert what["mIoU"] == 1
    assert what["pixels"]["unmapped"] == {"truth": {"green": int((seen == 1).sum())}, "predicted": {}}
    assert what["pixels"]["scored"] == (seen != 1).sum()
    assert "green" in said.out
    table.write_text("classes: [warm, cold]\nnetwork: {red: warm}\ndataset: {red: warm, blue: cold, green: cold}\n")
    said, what = score(tmp_path, models[0], "--mapping", table)
    assert what["classes"]["cold"]["IoU"] == 0
    assert what["classes"]["warm"]["IoU"] == 1
    assert what["pixels"]["unmapped"]["predicted"] == {
        "green": int((seen == 1).sum()),
        "blue": int((seen == 2).sum()),
    }
    assert "counted as misses" in said.out


def test_broken_files_are_left_out_and_said_in_every_output(models: tuple[Path, Path], tmp_path: Path) -> None:
    painted(tmp_path, 5)
    label = tmp_path / "masks/1.png"
    label.write_bytes(label.read_bytes()[:-30])
    cv2.imwrite(str(tmp_path / "masks/2.png"), np.zeros((5, 5), np.uint8))
    (tmp_path / "masks/3.png").unlink()
    said, what = score(tmp_path, models[0])
    assert said.code == 0, said.err
    assert (what["images"], what["left_out"]["count"], what["mIoU"]) == (2, 3, 1)
    reasons = {one["name"]: one["reason"] for one in what["left_out"]["files"]}
    assert "without a label" in reasons["3.png"]
    assert "cut off" in reasons["1"]
    assert "5x5" in reasons["2"]
    assert "2 images, 3 left out" in said.out
    assert "cut off" in said.out
    assert what["source"]["undecodable"] == 2


def test_strict_ends_at_the_first_broken_or_missing_file(models: tuple[Path, Path], tmp_path: Path) -> None:
    painted(tmp_path, 5)
    label = tmp_path / "masks/1.png"
    label.write_bytes(label.read_bytes()[:-30])
    (tmp_path / "masks/3.png").unlink()
    said, _ = score(tmp_path, models[0], "--strict")
    assert (said.code, "images without a label: 3.png" in said.err) == (2, True)
    (tmp_path / "images/3.png").unlink()
    said, what = score(tmp_path, models[0], "--strict")
    assert (said.code, "masks/1.png is cut off" in said.err, what) == (2, True, {})


def test_a_data_set_without_one_whole_image_is_an_error(models: tuple[Path, Path], tmp_path: Path) -> None:
    painted(tmp_path, 1)
    (tmp_path / "masks/0.png").write_bytes(b"\x89PNG")
    said, _ = score(tmp_path, models[0])
    assert said.code == 2
    assert "not one image could be scored" in said.err


def test_images_of_many_sizes_are_compared_at_their_own(models: tuple[Path, Path], tmp_path: Path) -> None:
    painted(tmp_path, 1)
    for name, (height, width) in {"a": (50, 200), "b": (131, 97)}.items():
        cv2.imwrite(str(tmp_path / f"images/{name}.png"), np.full((height, width, 3), BGR[1], np.uint8))
        cv2.imwrite(str(tmp_path / f"masks/{name}.png"), np.full((height, width), 1, np.uint8))
    said, what = score(tmp_path, models[0])
    assert said.code == 0, said.err
    assert what["pixels"]["scored"] == 96 * 128 + 50 * 200 + 131 * 97
    assert what["mIoU"] == 1


def test_mistakes_end_in_one_sentence(models: tuple[Path, Path], tmp_path: Path) -> None:
    painted(tmp_path)
    for words, says in (
        (("--dataset", "camvd"), "did you mean camvid"),
        (("--dataset", "camvid"), "no split 'all'"),
        (("-m", models[1]), "the network's 2 classes are not the data set's 3"),
        (("--mapping", "cityscapes-on-camvd"), "did you mean cityscapes-on-camvid"),
        (("--mapping", "cityscapes-on-camvid"), "is not for the network"),
        (("--option", "encoding"), "key=value"),
        (("--option", "encodng=ids"), "did you mean encoding"),
        (("--json", tmp_path / "no/out.json"), "there is no folder"),
        (("--json", tmp_path), "is a folder"),
    ):
        base = {"--dataset": "folders", "--root": tmp_path, "--split": "all", "-m": models[0]}
        base.update(dict(zip(words[::2], words[1::2], strict=True)))
        said = dashmask("eval", *(word for pair in base.items() for word in pair), *CPU)
        assert said.code == 2, words
        assert says in said.err, (words, said.err)
        assert "Traceback" not in said.err
    assert "--root" in dashmask("eval", "--dataset", "camvid", "-m", models[0], *CPU).err


def test_drawn_scenes_are_scored_against_what_was_drawn(models: tuple[Path, Path], tmp_path: Path) -> None:
    table = tmp_path / "t.yaml"
    table.write_text("classes: [sky]\nnetwork: {blue: sky}\ndataset: {sky: sky}\n")
    out = tmp_path / "o.json"
    words = ("--dataset", "demo:size=128x96,frames=4,seed=1", "-m", models[0], "--mapping", table, "--json", out)
    said = dashmask("eval", *words, *CPU)
    assert said.code == 0, said.err
    what = json.loads(out.read_text())
    assert what["images"] == 4
    assert 0 < what["pixels"]["scored"] < 4 * 128 * 96
    assert what["pixels"]["unmapped"]["truth"]["road"] > 0


def test_a_real_network_scores_on_real_streets_what_its_labels_say(shared: Path, tmp_path: Path) -> None:
    model = shared / "weights/enet_cityscapes_512x1024.onnx"
    root, out = shared / "data/kitti-semantics", tmp_path / "k.json"
    words = ("--dataset", "kitti-semantic", "--root", root, "--split", "training", "--json", out, "--frames", 2)
    said = dashmask("eval", *words, "-m", model, *CPU)
    assert said.code == 0, said.err
    data = open_dataset("kitti-semantic", root, "training")
    images = root / "training/image_2/00000[01]_10.png"
    with pipeline.open(images, model=model, backend={"name": "onnxruntime-cpu"}) as scenes:
        found = np.stack([scene.labels.map for scene in scenes if scene.labels is not None])
    truth = np.stack([data[index].labels for index in range(2)])
    ious = []
    for k in range(19):
        union = (((truth == k) | (found == k)) & (truth != VOID)).sum()
        ious.append(((truth == k) & (found == k)).sum() / union if union else np.nan)
    assert json.loads(out.read_text())["mIoU"] == pytest.approx(np.nanmean(ious), rel=1e-12)


def test_a_real_network_is_mapped_onto_camvid(shared: Path, tmp_path: Path) -> None:
    model, out = shared / "weights/enet_cityscapes_512x1024.onnx", tmp_path / "c.json"
    words = ("--dataset", "camvid", "--root", shared / "data/camvid", "--frames", 2, "--json", out)
    said = dashmask("eval", *words, "-m", model, *CPU, "--mapping", "cityscapes-on-camvid")
    assert said.code == 0, said.err
    what = json.loads(out.read_text())
    assert what["mIoU"] > 0.3  # a random permutation of the classes gives 0.05
    assert what["classes"]["Sky"]["IoU"] > 0.8


def test_pictures_that_a_network_was_trained_on_are_named(tmp_path: Path) -> None:
    seen = fcn(tmp_path / "seen.onnx")
    seen.with_suffix(".yaml").write_text(
        "family: semantic\nclasses: [red, green, blue]\ninput: {stride: 8}\n"
        "training_data: ['camvid train+val, 468 pictures', 'demo train, 240 pictures']\n"
    )
    card = read_card(seen)
    (said,) = trained_on([card], "camvid", "val")
    assert said == "seen was trained on camvid val: these figures say nothing of other pictures"
    assert trained_on([card], "camvid", "test+val")
    assert not trained_on([card], "camvid", "test")
    assert not trained_on([card], "idd-lite", "val")
