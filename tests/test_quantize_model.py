"""An int8 network is measured before it is written, and says what it was made of and what it lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from networks_to_quantize import drive as drive
from networks_to_quantize import network

from engines.card import read_card
from engines.checks import gate, limits_for
from engines.select import select
from engines.verification import find_verification, is_quantized
from pipeline.workbench.quantization_loss import lost
from pipeline.workbench.quantizing import Wanted, quantize_model

pytest.importorskip("onnxruntime", reason="onnxruntime quantizes: install dashmask[cpu]")

pytestmark = pytest.mark.usefixtures("own_cache")


def test_objects_found_besides_are_a_loss_too() -> None:
    assert lost({"label_iou": 0.9}) == pytest.approx(0.1)
    assert lost({"objects_kept": 1.0, "extra": 0.25}) == pytest.approx(0.2)
    assert lost({"objects_kept": None}) == 1
    assert lost({"objects_kept": float("nan"), "extra": 0.0}) == 1


def test_a_written_network_has_a_card_and_runs_at_once_and_only_as_it_was_verified(
    tmp_path: Path, drive: Path
) -> None:
    model, out = network(tmp_path / "net.onnx"), tmp_path / "small.onnx"
    done = quantize_model(Wanted(str(model), str(drive), out, count=12, most_loss=0.2))
    assert done.out == out, done.refused
    assert 0 < done.loss <= 0.2
    card, source = read_card(out), read_card(model)
    assert is_quantized(card)
    assert (card.licence, card.classes, card.name) == ("CC BY 4.0", source.classes, source.name)
    for part in ("colour", "scale", "mean", "std", "stride", "long_side", "dtype", "layout", "fit", "pad"):
        assert getattr(card.input, part) == getattr(source.input, part), part
    assert "accuracy" not in card.details
    assert card.details["net"] == "small"
    assert card.details["precision"] == "int8"
    about = card.details["quantized"]
    assert about["source"] == "net.onnx"
    assert about["source_sha256"] == source.sha256
    assert about["calibration"] == "12 frames of drive.mp4"
    assert about["loss"]["value"] == pytest.approx(done.loss, abs=1e-4)
    for one in done.verifications:
        assert one.passed
        assert "behind the frames" in one.source
        selection = select(card, backend=one.backend, verified=gate)  # raises where it may not run
        assert find_verification(card, selection.backend) is not None
        selection.backend.close()
    assert not [file for file in tmp_path.iterdir() if file.name.endswith((".part", ".cache"))]


def test_a_loss_that_the_user_allows_becomes_a_limit_in_the_card(tmp_path: Path, drive: Path) -> None:
    model, out = network(tmp_path / "net.onnx", layers=8, wild=True), tmp_path / "small.onnx"
    done = quantize_model(Wanted(str(model), str(drive), out, count=8, most_loss=1))
    assert done.out == out, done.refused
    limits = limits_for(read_card(out), "f32")
    usual = limits_for(read_card(network(tmp_path / "other.onnx")), "int8")
    assert limits["label_iou"] < usual["label_iou"] or done.loss < 0.1
    assert limits["repeat"] == 0
    assert all(one.passed for one in done.verifications)


def test_a_folder_of_pictures_calibrates_as_well_as_a_film(tmp_path: Path) -> None:
    import cv2
    from clips import scene

    (tmp_path / "pictures").mkdir()
    for at in range(30):
        cv2.imwrite(str(tmp_path / "pictures" / f"{at:02}.png"), scene(at))
    out = tmp_path / "q.onnx"
    model = network(tmp_path / "net.onnx")
    done = quantize_model(Wanted(str(model), str(tmp_path / "pictures"), out, count=8, most_loss=0.5))
    assert done.out == out, done.refused


def test_a_network_of_ours_keeps_its_labels(tmp_path: Path, drive: Path) -> None:
    torch = pytest.importorskip("torch", reason="networks are exported from torch: install dashmask[train]")
    from trained_nets import about, trained

    from engines.export import export_net

    torch.set_num_threads(1)
    net = trained("fcn", width=16)
    model = tmp_path / "ours.onnx"
    export_net(net, {**about(net), "name": "ours"}, model)
    done = quantize_model(Wanted(str(model), str(drive), tmp_path / "q.onnx", count=8, most_loss=1, long_side=128))
    assert done.out is not None, (done.loss, done.refused)
    card = read_card(done.out)
    assert card.details["precision"] == "int8"
    assert card.licence.startswith("non-commercial")
