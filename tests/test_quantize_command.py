"""`dashmask quantize` refuses what costs too much, in figures, and what cannot be, in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_models
from command import dashmask
from networks_to_quantize import CARD, network
from networks_to_quantize import drive as drive
from onnx import TensorProto, helper

from engines.card import read_card

pytest.importorskip("onnxruntime", reason="onnxruntime quantizes: install dashmask[cpu]")

pytestmark = pytest.mark.usefixtures("own_cache")


def test_too_large_a_loss_is_refused_with_the_figures_and_nothing_is_written(tmp_path: Path, drive: Path) -> None:
    model, out = network(tmp_path / "net.onnx", layers=3), tmp_path / "small.onnx"
    said = dashmask("quantize", model, "--frames", drive, "--out", out, "--count", 4, "--max-loss", 0)
    assert said.code == 1, said
    assert "refused" in said.out
    assert "at most 0 is allowed" in said.out
    assert "mean IoU of labels" in said.out
    assert "of 3 convolutions stay float" in said.out
    assert not out.exists()
    assert not (tmp_path / "cache/dashmask/verified").exists()


def test_the_loss_is_that_of_mean_iou_where_there_are_labels(tmp_path: Path, drive: Path) -> None:
    card = "family: semantic\nclasses: cityscapes\ninput: {stride: 8, long_side: 128}\n"
    model, out = network(tmp_path / "net.onnx", classes=19, card=card), tmp_path / "q.onnx"
    words = ("quantize", model, "--frames", drive, "--out", out, "--count", 4, "--imgsz", 128)
    said = dashmask(*words, "--max-loss", 0.1, "--dataset", "demo:frames=2,size=128x96")
    assert said.code == 0, said
    assert "mean IoU on demo:frames=2,size=128x96" in said.out
    assert "in float and" in said.out
    about = read_card(out).details["quantized"]["loss"]
    assert abs(about["value"]) < 0.1  # a network of chance has next to no mean IoU to lose
    assert about["of"].startswith("mean IoU on demo")


def test_bad_input_ends_in_one_sentence_and_2(models: tuple[Path, Path], drive: Path, tmp_path: Path) -> None:
    good = network(tmp_path / "net.onnx")
    bare = network(tmp_path / "bare.onnx")
    bare.with_suffix(".yaml").unlink()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(drive.read_bytes()[:3000])
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"\x89PNG")
    half = tmp_path / "half.onnx"
    tiny_models.save(
        half,
        [helper.make_node("Relu", ["image"], ["scores"])],
        [tiny_models.floats("image", (1, 3, "h", "w"), TensorProto.FLOAT16)],
        [tiny_models.floats("scores", (1, 3, "h", "w"), TensorProto.FLOAT16)],
    )
    half.with_suffix(".yaml").write_text(CARD)
    import cv2

    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((96, 128, 3), np.uint8))
    for words, sentence in (
        ((good, "--frames", tmp_path / "none.mp4"), "none.mp4"),
        ((good, "--frames", cut), "cut.mp4"),
        ((good, "--frames", tmp_path / "empty"), "empty"),
        ((good, "--frames", tmp_path / "broken"), "broken"),
        ((good, "--frames", "0"), "is live"),
        (
            (good, "--frames", tmp_path / "one.png"),
            "has 1 frames: none is left to measure on behind those that calibrate, expected 8",
        ),
        ((bare, "--frames", drive), "nothing says what this model is"),
        ((half, "--frames", drive), "is float16, expected float32"),
        ((models[1], "--frames", drive), "has no convolution"),
        ((models[0], "--frames", drive), "nothing is left to quantize"),
        ((good, "--frames", drive, "--method", "percentile"), "expected minmax or entropy"),
        ((good, "--frames", drive, "--count", "0"), "expected 1 or more"),
        ((good, "--frames", drive, "--max-loss", "2"), "expected 0 to 1"),
        ((good, "--frames", drive, "--out", tmp_path / "x.bin"), "ends in .onnx"),
        ((good, "--frames", drive, "--out", tmp_path / "no" / "x.onnx"), "there is no folder"),
        ((good, "--frames", drive, "--out", tmp_path / "folder.onnx"), "is a folder, expected a file"),
        ((good, "--frames", drive, "--out", good), "that is the float network itself"),
        ((good, "--frames", drive, "--root", tmp_path), "no --dataset is given"),
    ):
        said = dashmask("quantize", *words)
        assert said.code == 2, (words, said)
        assert sentence in said.err, (words, said.err)
        assert "Traceback" not in said.err
    assert not list(tmp_path.glob("*-int8.onnx"))
