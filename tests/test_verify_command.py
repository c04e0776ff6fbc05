"""`dashmask verify`, the frames that it takes, and real networks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_models
from clips import write_clip
from command import dashmask
from verifying_parts import FRAMES, failed

from engines.backends.base import Options
from engines.card import read_card
from engines.checks import CHECKS, limits_for
from engines.select import opener
from engines.verification import from_plain
from pipeline.errors import BackendError, SourceError
from pipeline.sources import open_source
from pipeline.workbench.sampling import DRAWN, sampled
from pipeline.workbench.verifying import Wanted, compare, verify_model

pytest.importorskip("onnxruntime", reason="onnxruntime is the reference: install dashmask[cpu]")

pytestmark = pytest.mark.usefixtures("own_cache")


# The command


def test_the_command_tells_every_check_keeps_the_record_and_returns_0(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "record.json"
    words = ("verify", models[1], "--backend", "onnxruntime-cpu", "--source", clip, "--frames", FRAMES, "--json", out)
    said = dashmask(*words)
    assert said.code == 0, said.err
    for kind in (CHECKS["mask_iou"], CHECKS["repeat"], CHECKS["missing"]):
        assert kind.title in said.out
    assert "verified: onnxruntime-cpu f32" in said.out
    assert "stored in" in said.out
    tree = json.loads(out.read_text())
    assert tree.pop("passed") is True
    assert from_plain(tree) is not None


def test_the_command_returns_1_where_it_does_not_verify(models: tuple[Path, Path], clip: Path) -> None:
    said = dashmask("verify", models[1], "--backend", "null", "--source", clip, "--frames", FRAMES)
    assert said.code == 1
    assert "not verified: null f32" in said.out
    assert "sure objects missing: 100.00 %" in said.out


def test_bad_input_ends_in_one_sentence_and_2(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    bare = tiny_models.fcn(tmp_path / "bare.onnx")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:3000])
    (tmp_path / "empty").mkdir()
    good, at = models[0], "--source"
    for words, sentence in (
        ((good, at, tmp_path / "none.mp4"), "none.mp4"),
        ((good, at, cut), "cut.mp4"),
        ((good, at, tmp_path / "empty"), "empty"),
        ((good, at, "lavfi:testsrc"), "is live"),
        ((good, at, clip, "--frames", "3"), "expected 8 or more"),
        ((good, at, clip, "--precision", "fp4"), "--precision fp4: expected f32 or bf16"),
        ((good, at, clip, "--backend", "openvno"), "did you mean openvino"),
        ((good, at, clip, "--json", tmp_path / "no" / "x.json"), "there is no folder"),
        ((good, at, clip, "--json", clip), "is what is read"),
        ((good, at, clip, "--json", good), "is what is read"),
        ((good, at, clip, "--imgsz", "0"), "0 was asked for"),
        ((good, at, clip, "--reference", models[1]), "no reference for"),
        ((bare, at, clip), "nothing says what this model is"),
        ((tmp_path / "missing.onnx",), "there is no such model"),
    ):
        said = dashmask("verify", *words)
        assert said.code == 2, (words, said)
        assert sentence in said.err
        assert "Traceback" not in said.err


def test_frames_are_spread_over_the_part_that_was_asked_for(clip: Path) -> None:
    assert [frame.index for frame in sampled(str(clip), 5)] == [0, 5, 10, 15, 20]
    assert [frame.index for frame in sampled(str(clip), 100)] == list(range(25))
    first, second = ({f.index for f in sampled(str(clip), 9, part)} for part in ((0, 0.7), (0.7, 1)))
    assert max(first) < min(second)
    assert len(list(sampled("demo:frames=6,size=128x96", 3))) == 3
    assert open_source(DRAWN).info.frames == 24
    with pytest.raises(SourceError):
        list(sampled(str(clip) + "x", 3))


# Real networks


def test_openvino_is_right_with_real_networks_in_f32_and_within_its_limits_in_bf16(shared: Path) -> None:
    pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    import engines

    clip = str(shared / "data/video/udacity_test_video.mp4")
    embedded = sorted((Path(engines.__file__).parent / "weights").glob("*.onnx"))[:1]
    for model, side in ((shared / "weights/yolo11n-seg.onnx", 320), *((path, 192) for path in embedded)):
        exact = verify_model(Wanted(str(model), "openvino", "f32", clip, 8, long_side=side)).verification
        assert exact.passed, exact.failures
        try:
            half = verify_model(Wanted(str(model), "openvino", "bf16", clip, 8, long_side=side)).verification
        except BackendError as error:
            pytest.skip(f"this processor has no bf16: {error}")
        measured = [
            {check.name: check.measured for check in one.checks}.get("mean_difference") for one in (exact, half)
        ]
        if None not in measured:
            assert measured[1] > 100 * measured[0]  # type: ignore[operator]  # the check sees bf16
        assert half.passed, half.failures


def test_the_published_enet_says_the_same_on_openvino(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    from engines.backends.onnxruntime import open_exact

    model = shared / "weights/enet_cityscapes_512x1024.onnx"
    cards = Path(__file__).parents[1] / "configs/cards"
    card = read_card(model, card_dirs=[cards])
    shown = list(sampled(str(shared / "data/video/kitti_2011_09_26_10fps_h264_bframes.mp4"), 1))
    backend, reference = opener("openvino")(card, Options(1, 2, "f32", (512, 1024))), open_exact(card)
    limits = {**limits_for(card, "f32"), "frames": 1}
    found = compare(backend, reference, shown, card=card, limits=limits, source="one frame")
    assert found.passed, found.failures
    backend.close()
    reference.close()


def test_a_clip_that_is_too_short_does_not_prove_enough(models: tuple[Path, Path], tmp_path: Path) -> None:
    short = write_clip(tmp_path / "short.mp4", frames=3)
    found = verify_model(Wanted(str(models[0]), "onnxruntime-cpu", "f32", str(short))).verification
    assert failed(found) == {"frames"}
