"""A record says what the scene says, and reads back as the same."""

from __future__ import annotations

import json
import time
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.image import Image
from pipeline.records import encode_record, read_record, read_records, record_of
from pipeline.types import VOID, Classes, Frame, Instances, Labels, Scene

HEIGHT, WIDTH = 72, 128
COCO = Classes(("person", "bicycle", "car"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)))
STREET = Classes(("road", "sky", "tree"), ((1, 1, 1), (2, 2, 2), (3, 3, 3)))


def frame(index: int = 0, pts: int = 0, time_base: Fraction = Fraction(1, 25)) -> Frame:
    image = Image((np.zeros((HEIGHT, WIDTH, 3), np.uint8),), "bgr24")
    return Frame(index, pts, time_base, time.monotonic(), image)


def cars(n: int = 3, seed: int = 0) -> Instances:
    rng = np.random.default_rng(seed)
    corners = np.array([[5, 7], [60, 0], [100, 40], [0, 30]])[np.arange(n) % 4]
    sizes = rng.integers(4, 28, (n, 2))
    crops = np.hstack([corners, corners + sizes]).astype(np.int32)
    masks = [np.where(rng.random(w * h) < 0.6, np.uint8(255), np.uint8(0)) for w, h in sizes.tolist()]
    return Instances(
        boxes_xyxy=(crops + rng.uniform(-0.5, 0.5, (n, 4))).astype(np.float32),
        scores=np.sort(rng.uniform(0.25, 1, n)).astype(np.float32)[::-1].copy(),
        class_ids=rng.choice([0, 2], n).astype(np.int32),
        crops_px=crops,
        arena=np.concatenate([*masks, np.zeros(0, np.uint8)]),
        offset=np.cumsum([0, *(m.size for m in masks)], dtype=np.int64),
        classes=COCO,
    )


def street(seed: int = 0) -> Labels:
    rng = np.random.default_rng(seed)
    cells = rng.choice([0, 1, 2, VOID], (9, 16)).astype(np.uint8)
    return Labels(np.kron(cells, np.ones((8, 8), np.uint8)), STREET)


def test_a_record_has_the_fields_that_are_promised() -> None:
    now = frame(7, 10)
    now.stamps.spans["infer"] = (1.0, 1.0201236)
    record = record_of(Scene(now, cars(), street(), {"late": 3}))
    assert list(record) == ["index", "pts_s", "instances", "labels", "dropped", "timing"]
    assert (record["index"], record["pts_s"], record["dropped"]) == (7, 0.4, {"late": 3})
    assert record["timing"]["stages_ms"] == {"infer": 20.124}
    assert 0 <= record["timing"]["age_ms"] < 60_000
    first = record["instances"][0]
    assert list(first) == ["class", "class_id", "score", "box_xyxy", "rle"]
    assert first["class"] == COCO.names[first["class_id"]]
    assert first["rle"]["size"] == [HEIGHT, WIDTH]
    assert set(record["labels"]) == set(STREET.names)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # inside pycocotools 2.0
def test_the_run_lengths_are_read_by_pycocotools() -> None:
    coco = pytest.importorskip(
        "pycocotools.mask", reason="no pycocotools, the reference for run lengths: install the extra `eval`"
    )
    found, ground = cars(4), street()
    record = json.loads(encode_record(Scene(frame(), found, ground)))
    for i, one in enumerate(record["instances"]):
        assert np.array_equal(coco.decode(one["rle"]) != 0, found.full_mask(i, (HEIGHT, WIDTH)))
    for name, rle in record["labels"].items():
        assert np.array_equal(coco.decode(rle) != 0, ground.map == STREET.names.index(name))


def test_a_network_that_did_not_run_has_no_key() -> None:
    assert "instances" not in record_of(Scene(frame(), None, street()))
    assert "labels" not in record_of(Scene(frame(), cars(), None))
    nothing_found = record_of(Scene(frame(), cars(0), Labels(np.full((HEIGHT, WIDTH), VOID, np.uint8), STREET)))
    assert (nothing_found["instances"], nothing_found["labels"]) == ([], {})


def test_without_timing_two_runs_give_the_same_bytes() -> None:
    lines = []
    for _ in range(2):
        now = frame()
        now.stamps.spans["infer"] = (time.monotonic(), time.monotonic())
        lines.append(encode_record(Scene(now, cars(), street()), timing=False))
        time.sleep(0.002)
    assert lines[0] == lines[1]
    assert b"timing" not in lines[0]
    assert lines[0].endswith(b"}\n")
    assert lines[0].count(b"\n") == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_record_reads_back_as_the_scene(seed: int) -> None:
    found, ground = cars(4, seed), street(seed)
    scene = Scene(frame(3, 1001 * 7, Fraction(1, 30000)), found, ground, {"late": 1})
    record = read_record(encode_record(scene), STREET.names)
    assert (record.index, record.pts_s, record.dropped) == (3, scene.frame.pts_s, {"late": 1})
    assert record.instances is not None
    assert record.labels is not None
    assert record.timing is not None
    assert np.array_equal(record.labels.map, ground.map)
    assert record.labels.classes.names == STREET.names
    assert np.array_equal(record.instances.class_ids, found.class_ids)
    assert np.allclose(record.instances.scores, found.scores, atol=5.1e-5)
    assert np.allclose(record.instances.boxes_xyxy, found.boxes_xyxy, atol=5.1e-3)
    for i, class_id in enumerate(found.class_ids.tolist()):
        assert record.instances.classes.names[class_id] == COCO.names[class_id]
        size = (HEIGHT, WIDTH)
        assert np.array_equal(record.instances.full_mask(i, size), found.full_mask(i, size))


def test_what_was_read_back_and_written_again_is_the_same() -> None:
    line = encode_record(Scene(frame(3, 5), cars(), street()), timing=False)
    record = read_record(line, STREET.names)
    scene = Scene(frame(record.index, 5), record.instances, record.labels, record.dropped)
    assert encode_record(scene, timing=False) == line


def test_empty_records_read_back() -> None:
    nothing = Scene(frame(), cars(0), Labels(np.full((HEIGHT, WIDTH), VOID, np.uint8), STREET))
    record = read_record(encode_record(nothing))
    assert record.instances is not None
    assert len(record.instances) == 0
    assert record.labels is not None
    neither = read_record(encode_record(Scene(frame()), timing=False))
    assert (neither.instances, neither.labels, neither.timing) == (None, None, None)


def test_times_come_back_exactly() -> None:
    for pts, base in [(1, Fraction(1, 3)), (123456789, Fraction(1, 90000)), (7, Fraction(1001, 30000))]:
        now = frame(0, pts, base)
        assert read_record(encode_record(Scene(now))).pts_s == now.pts_s


def changed(**changes: Any) -> bytes:
    record = record_of(Scene(frame(), cars(1), street()), timing=False)
    return json.dumps(record | changes).encode()


def instance(**changes: Any) -> dict[str, Any]:
    one: dict[str, Any] = record_of(Scene(frame(), cars(1)))["instances"][0]
    return one | changes


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"not json", "line 2"),
        (b"[1, 2]", "object"),
        (b'{"pts_s": 0.0}', "index"),
        (changed(index="one"), "index"),
        (changed(instances=[instance(score=None)]), "score"),
        (changed(instances=[instance(score=1e300)]), "score"),
        (changed(instances=[instance(box_xyxy=[1, 2, 3])]), "box_xyxy"),
        (changed(instances=[instance(class_id=-1)]), "class_id"),
        (changed(instances=[instance(), instance(**{"class": "bus"})]), "class_id"),
        (changed(instances=[instance(rle={"size": [9, 9], "counts": "1"})]), "81 pixels"),
        (changed(instances=[instance(rle={"size": [9, 9], "counts": "61X"})]), "break off"),
        (changed(labels={"river": {"size": [2, 2], "counts": "4"}}), "river"),
        (changed(labels={"sky": {"size": [2, 2], "counts": "4"}, "road": {"size": [1, 2], "counts": "2"}}), "sizes"),
        (encode_record(Scene(frame(), cars(1)))[:-30], "line 2"),
    ],
)
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: bytes, says: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(encode_record(Scene(frame())) + line + b"\n")
    records = read_records(path, STREET.names)
    assert next(records).index == 0
    with pytest.raises(UserError, match=says) as raised:
        next(records)
    assert f"{path}, line 2: " in str(raised.value)


def test_records_that_each_name_other_classes_take_no_more_memory(tmp_path: Path) -> None:
    one = {"class_id": 300, "score": 0.5, "box_xyxy": [1, 1, 4, 4], "rle": {"size": [8, 8], "counts": "P2"}}
    lines = [{"index": k, "pts_s": 0.0, "instances": [{"class": f"class {k}", **one}]} for k in range(120)]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tracemalloc.start()
    try:
        kept = [tracemalloc.get_traced_memory()[0] for _ in read_records(tmp_path / "r.jsonl")]
    finally:
        tracemalloc.stop()
    assert kept[-1] < 2 * kept[29]


def test_a_missing_file_of_records_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        list(read_records(tmp_path / "none.jsonl"))
