"""`dashmask eval --streaming` and `--what-if`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Said, dashmask
from films_on_disk import painted
from flow_parts import no_thread_is_left as no_thread_is_left
from numpy.typing import NDArray
from tiny_models import yolo_seg

from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.types import VOID

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")

CPU = ("--backend", "onnxruntime-cpu")


def evaluated(root: Path, model: Path, *words: object) -> tuple[Said, dict[str, Any]]:
    out = root / "out.json"
    out.unlink(missing_ok=True)
    base = ("eval", "--dataset", "folders", "--root", root, "--split", "all", "-m", model, "--json", out, *CPU)
    said = dashmask(*base, *words)
    return said, json.loads(out.read_text()) if out.exists() else {}


def truth_against_truth(seen: NDArray[np.uint8], scored_against: list[list[int | None]]) -> float:
    """Mean IoU of a network that is always right, from which result each frame was scored against."""
    matrix = ConfusionMatrix(3)
    for frame, other in scored_against:
        assert frame is not None
        matrix.add(seen[frame], np.full_like(seen[0], VOID) if other is None else seen[other])
    return matrix.scores().mean_iou


def test_streaming_accuracy_is_that_of_the_results_that_were_there(models: tuple[Path, Path], tmp_path: Path) -> None:
    seen = painted(tmp_path, 12)
    said, what = evaluated(tmp_path, models[0], "--streaming", "--fps", 50)
    assert said.code == 0, said.err
    assert what["mIoU"] == 1
    live = what["streaming"]
    assert live["mIoU"] == pytest.approx(truth_against_truth(seen, live["scored_against"]), rel=1e-12)
    assert live["mIoU"] < 0.9  # each image is another one, so being late costs
    assert [frame for frame, _ in live["scored_against"]] == list(range(12))
    assert live["frames"]["processed"] + sum(live["frames"]["dropped"].values()) == 12
    assert set(live["frames"]["dropped"]) <= {"newest"}
    assert live["latency_ms"]["samples"] == live["frames"]["processed"]
    assert set(live["stages_ms"]) == {"preprocess", "infer", "postprocess"}
    assert live["pixels"]["scored"] == 12 * 96 * 128  # frames before the first result count, as missed
    assert live["simulation"]["processed"]["measured"] == live["frames"]["processed"]
    for word in ("streaming", "offline", "frames behind", "simulated with its own times"):
        assert word in said.out


def test_what_would_have_been_is_scored_from_a_record_without_a_network_and_twice_the_same(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    seen = painted(tmp_path, 12)
    times = tmp_path / "times.jsonl"
    asked = ("latency=30ms,fps=25", "latency=100ms,fps=50,workers=1", "fps=200,policy=block", "latency=1.5x")
    what_ifs = [word for text in asked for word in ("--what-if", text)]
    said, what = evaluated(tmp_path, models[0], "--record-times", times, "--fps", 50, *what_ifs)
    assert said.code == 0, said.err
    instant, slow, block, _ = what["what_if"]
    assert instant["scored_against"] == [[0, None], *([k, k - 1] for k in range(1, 12))]
    assert instant["latency_ms"]["max"] == instant["latency_ms"]["p50"] == 30
    assert slow["dropped"]
    assert slow["finished_ms"][0] == [0, 100]
    assert (block["dropped"], len(block["finished_ms"])) == ([], 12)
    for one in what["what_if"]:
        assert one["mIoU"] == pytest.approx(truth_against_truth(seen, one["scored_against"]), rel=1e-12)
    outs = []
    models[0].rename(tmp_path / "hidden.onnx")  # nothing can run it
    try:
        said, _ = evaluated(tmp_path, models[0], "--replay", times, *what_ifs)
        assert said.code == 2
    finally:
        (tmp_path / "hidden.onnx").rename(models[0])
    for _ in range(2):
        said, again = evaluated(tmp_path, models[0], "--replay", times, *what_ifs, "--backend", "null")
        assert said.code == 0, said.err
        outs.append((tmp_path / "out.json").read_bytes())
    assert outs[0] == outs[1]
    assert again["what_if"] == what["what_if"]
    assert (again["mIoU"], again["confusion"], again["replayed"]) == (1, what["confusion"], "times.jsonl")
    assert "no network ran" in said.out


def test_objects_are_scored_in_time_too(models: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")
    out, times, table = tmp_path / "o.json", tmp_path / "t.jsonl", tmp_path / "t.yaml"
    table.write_text("classes: [car]\nnetwork: {car: car}\ndataset: {car: car}\n")
    words = ("eval", "--dataset", "demo:size=160x96,frames=6,seed=1", "-m", models[1], "--mapping", table)
    said = dashmask(*words, *CPU, "--streaming", "--what-if", "latency=50ms", "--record-times", times, "--json", out)
    assert said.code == 0, said.err
    what = json.loads(out.read_text())
    for one in (what["streaming"], what["what_if"][0]):
        assert one["mask"]["AP"] is not None
        assert one["objects"]["truth"] == what["objects"]["truth"]
    late = what["what_if"][0]["scored_against"]
    assert late == [[0, None], [1, None], *([k, k - 2] for k in range(2, 6))]  # 25 frames a second
    assert what["what_if"][0]["objects"]["found"] == 4 * what["objects"]["found"] // 6
    said = dashmask(*words, "--replay", times, "--what-if", "latency=50ms", "--json", out)
    assert said.code == 0, said.err
    assert json.loads(out.read_text())["what_if"][0]["mask"] == what["what_if"][0]["mask"]


def test_objects_that_are_read_back_are_scored_as_those_that_were_written(tmp_path: Path) -> None:
    """With scores of four digits 0.24996 would be shown, and which of two like ones is surer would be lost."""
    pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")
    out, times, table = tmp_path / "o.json", tmp_path / "t.jsonl", tmp_path / "t.yaml"
    table.write_text("classes: [car]\nnetwork: {car: car}\ndataset: {car: car}\n")
    boxes = np.array([(8, 20, 30, 44), (34.123, 10, 60, 50), (1, 1, 20, 20)], np.float32)
    model = yolo_seg(tmp_path / "m.onnx", boxes, [1, 1, 1], [0.24996, 0.30001, 0.30004])
    words = ("eval", "--dataset", "demo:size=160x96,frames=6,seed=1", "-m", model, "--mapping", table, "--json", out)
    said = dashmask(*words, *CPU, "--record-times", times)
    assert said.code == 0, said.err
    what = json.loads(out.read_text())
    said = dashmask(*words, "--replay", times)
    assert said.code == 0, said.err
    again = json.loads(out.read_text())
    assert all(again[key] == what[key] for key in ("box", "mask", "objects", "classes", "mIoU"))
    row = json.loads(times.read_text().splitlines()[0])
    assert np.float32(row["instances"][0]["score"]) == np.float32(0.30004)


def test_records_that_do_not_fit_are_named(models: tuple[Path, Path], tmp_path: Path) -> None:
    painted(tmp_path, 3)
    times = tmp_path / "times.jsonl"
    assert evaluated(tmp_path, models[0], "--record-times", times, "--fps", 50)[0].code == 0
    lines = times.read_text().splitlines()
    untimed = json.loads(lines[1])
    del untimed["timing"]
    for broken, says in (
        ([lines[0], lines[1][:-20], lines[2]], "line 2"),
        ([lines[0], json.dumps(untimed), lines[2]], "line 2"),
        ([lines[0], lines[2], lines[1]], "line 3"),
        ([lines[0], lines[2]], "does not hold frame 1"),
        ([lines[0].replace('"red"', '"mauve"'), *lines[1:]], "mauve"),
        ([], "no record"),
    ):
        times.write_text("\n".join(broken))
        said, what = evaluated(tmp_path, models[0], "--replay", times, "--what-if", "fps=10")
        assert (said.code, what) == (2, {})
        assert says in said.err, said.err
        assert "Traceback" not in said.err
    said, _ = evaluated(tmp_path, models[0], "--replay", tmp_path / "none.jsonl")
    assert (said.code, "cannot be read" in said.err) == (2, True)


def test_mistakes_end_in_one_sentence_and_leave_no_file(models: tuple[Path, Path], tmp_path: Path) -> None:
    painted(tmp_path, 2)
    said, _ = evaluated(tmp_path, models[0], "--streaming")
    assert (said.code, "--fps" in said.err) == (2, True)  # nobody said that these images are a film
    for words, says in (
        (("--what-if", "latency=fast"), "latency"),
        (("--what-if", "speed=2"), "speed"),
        (("--streaming", "--set", "source.every=2"), "every"),
        (("--streaming", "--set", "track.carry=1"), "track.carry"),
        (("--replay", tmp_path / "t.jsonl", "--streaming"), "--streaming needs a run"),
        (("--record-times", tmp_path / "no/t.jsonl"), "folder"),
    ):
        said, _ = evaluated(tmp_path, models[0], *words, "--fps", 50)
        assert (said.code, says in said.err) == (2, True), said.err
    (tmp_path / "masks/00.png").write_bytes(b"no")
    (tmp_path / "masks/01.png").write_bytes(b"no")
    for more in ((), ("--mapping", "nowhere")):
        said, _ = evaluated(tmp_path, models[0], "--record-times", tmp_path / "t.jsonl", "--fps", 50, *more)
        assert said.code == 2
        assert not list(tmp_path.glob("t.*"))


def test_a_real_network_is_scored_in_time_on_a_real_film(shared: Path, tmp_path: Path) -> None:
    model, out = shared / "weights/enet_cityscapes_512x1024.onnx", tmp_path / "c.json"
    words = ("--dataset", "camvid", "--root", shared / "data/camvid", "--frames", 3, "--json", out)
    mapped = ("-m", model, *CPU, "--mapping", "cityscapes-on-camvid")
    said = dashmask("eval", *words, *mapped, "--what-if", "latency=40ms", "--what-if", "latency=100ms")
    assert said.code == 0, said.err
    what = json.loads(out.read_text())
    fast, slow = what["what_if"]
    assert [other for _, other in fast["scored_against"]] == [None, 0, 1]  # 15 frames a second, known from the names
    assert [other for _, other in slow["scored_against"]] == [None, None, 0]
    assert what["mIoU"] > fast["mIoU"] > slow["mIoU"] > 0
