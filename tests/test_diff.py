"""`dashmask diff`: what two runs say differently is found, named and weighed; broken lines are named."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import dashmask
from records_to_compare import HW, halves, scene, write

from pipeline.evaluation.difference import Difference, FrameDifference, differences
from pipeline.records import encode_record
from pipeline.types import VOID, Scene


def compared(tmp_path: Path, a: list[Scene], b: list[Scene]) -> tuple[list[FrameDifference], Difference]:
    whole = Difference()
    return list(differences(write(tmp_path / "a.jsonl", a), write(tmp_path / "b.jsonl", b), whole)), whole


def test_the_same_run_twice_is_the_same_whatever_its_times_were(tmp_path: Path) -> None:
    scenes = [scene(k, halves(), [("car", (3, 4, 20, 30), 0.9)]) for k in range(5)]
    later = [replace(one, dropped={"newest": 3}) for one in scenes]
    frames, whole = compared(tmp_path, scenes, later)
    assert [frame.frame for frame in frames] == list(range(5))
    assert not any(frames)
    assert whole.first is None
    assert whole.beyond({}) == []
    said = dashmask("diff", tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert (said.code, "no difference" in said.out) == (0, True)


def test_one_pixel_is_found_and_weighed_exactly(tmp_path: Path) -> None:
    other = halves()
    other[7, 7] = 1
    frames, whole = compared(tmp_path, [scene(k, halves()) for k in range(3)], [scene(0, halves()), scene(1, other)])
    half = 40 * 30
    assert frames[1].labels == pytest.approx(1 - (1 + (half - 1) / half + 0) / 3)  # tree, road, car
    assert (whole.first, whole.changed_pixels, whole.pixels) == (1, 1, 2 * 40 * 60)
    assert (whole.both, whole.only, whole.only_named) == (2, [1, 0], ([2], []))


def test_labels_are_compared_by_name_in_whatever_order_they_were_written(tmp_path: Path) -> None:
    turned = np.array([1, 2, 0], np.uint8)[halves()]  # as the names are turned
    frames, whole = compared(tmp_path, [scene(0, halves())], [scene(0, turned, names=("tree", "road", "car"))])
    assert not frames[0]
    assert whole.first is None
    frames, whole = compared(tmp_path, [scene(0, halves())], [scene(0, halves(), names=("tree", "road", "car"))])
    assert frames[0].labels == 1


def test_a_pixel_that_loses_its_class_differs(tmp_path: Path) -> None:
    other = halves()
    other[:, 30:] = VOID
    frames, whole = compared(tmp_path, [scene(0, halves())], [scene(0, other)])
    assert frames[0].labels == pytest.approx(1 - 1 / 3)  # road stays, tree and void have nothing in common
    frames, whole = compared(tmp_path, [scene(0, halves())], [scene(0, np.full(HW, VOID, np.uint8))])
    assert (frames[0].labels, whole.changed_pixels, whole.pixels) == (1, 40 * 60, 40 * 60)


def test_objects_are_matched_and_what_has_no_partner_flipped_or_shrank_is_counted(tmp_path: Path) -> None:
    a = [("car", (0, 0, 20, 20), 0.9), ("car", (30, 0, 50, 20), 0.8), ("tree", (0, 30, 10, 40), 0.7)]
    b = [("car", (0, 0, 20, 16), 0.85), ("road", (30, 0, 50, 20), 0.8)]
    frames, whole = compared(tmp_path, [scene(0, objects=a)], [scene(0, objects=b)])
    frame = frames[0]
    assert frame.counts == (3, 2)
    assert frame.objects == pytest.approx(1 / 5)
    assert frame.flips == 1 / 2
    assert (frame.masks, frame.boxes) == (pytest.approx(0.2), pytest.approx(0.2))
    assert frame.scores == pytest.approx(0.05)
    assert frame.labels is None
    assert dict(whole.flips) == {("car", "road"): 1}
    assert (dict(whole.objects[0]), dict(whole.objects[1])) == ({"car": 2, "tree": 1}, {"car": 1, "road": 1})
    said = dashmask("diff", tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert said.code == 1
    for word in ("first difference: frame 0", "1 times car became road", "too much"):
        assert word in said.out


def test_frames_without_objects_on_one_side(tmp_path: Path) -> None:
    car = [("car", (0, 0, 20, 20), 0.9)]
    frames, _ = compared(
        tmp_path, [scene(0, objects=[]), scene(1, objects=car)], [scene(0, objects=car), scene(1, halves())]
    )
    assert frames[0].objects == 1
    assert frames[0].flips == frames[0].masks == frames[0].boxes == frames[0].scores == 0  # nothing was matched
    assert frames[1].objects == frames[1].labels == 1  # one network here, another one there


def test_frames_of_one_number_from_different_times_are_said_to_be_so(tmp_path: Path) -> None:
    a = [scene(k, halves()) for k in range(4)]
    b = [replace(one, frame=replace(one.frame, pts=one.frame.pts + 5)) for one in a]
    _, whole = compared(tmp_path, a, b)
    assert (whole.elsewhere, whole.elsewhere_first) == (4, (0, 0.0, 0.5))
    said = dashmask("diff", tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert "4 of them at another time, first frame 0: at 0 s in A, 0.5 s in B" in said.out
    assert compared(tmp_path, a, a)[1].elsewhere == 0


def test_drops_are_frames_of_one_file_only(tmp_path: Path) -> None:
    a = [scene(k, halves()) for k in (0, 2, 3, 5, 8)]
    b = [scene(k, halves()) for k in (1, 2, 5, 6, 7)]
    frames, whole = compared(tmp_path, a, b)
    assert [frame.frame for frame in frames] == [2, 5]
    assert (whole.only, whole.only_named) == ([3, 3], ([0, 3, 8], [1, 6, 7]))
    assert whole.first == 0
    assert whole.measures["frames"] == 6 / 8
    assert "A: 0, 3, 8; B: 1, 6, 7" in dashmask("diff", tmp_path / "a.jsonl", tmp_path / "b.jsonl").out


@pytest.mark.parametrize(
    ("tolerance", "code"),
    [
        ((), 1),
        (("--tolerance", "0.4"), 0),
        (("--tolerance", "0.1"), 1),
        (("--tolerance", "labels=0.02"), 1),  # frame 3 is missing
        (("--tolerance", "labels=0.02,frames=0.25"), 0),
        (("--tolerance", "frames=0.25,labels=0.001"), 1),
    ],
)
def test_the_exit_code_is_one_beyond_the_tolerance(tmp_path: Path, tolerance: tuple[str, ...], code: int) -> None:
    other = halves()
    other[0, :10] = 2
    a = write(tmp_path / "a.jsonl", [scene(k, halves()) for k in range(4)])
    b = write(tmp_path / "b.jsonl", [scene(0, halves()), scene(1, other), scene(2, halves())])
    assert dashmask("diff", a, b, *tolerance).code == code


def test_all_figures_are_written_frame_by_frame(tmp_path: Path) -> None:
    other = halves()
    other[0, 0] = 1
    a = write(tmp_path / "a.jsonl", [scene(k, halves()) for k in range(4)])
    b = write(tmp_path / "b.jsonl", [scene(k, other if k == 2 else halves()) for k in range(4)])
    out = tmp_path / "d.json"
    assert dashmask("diff", a, b, "--json", out).code == 1
    what = json.loads(out.read_text())
    assert [frame["frame"] for frame in what["per_frame"]] == [0, 1, 2, 3]
    assert [frame["labels"] > 0 for frame in what["per_frame"]] == [False, False, True, False]
    assert what["whole"]["first_difference"] == 2
    assert what["whole"]["pixels"]["changed"] == 1
    assert not list(tmp_path.glob("*.part*"))


def broken(line: bytes, kind: str) -> bytes:
    if kind == "cut off":
        return line[: len(line) // 2]
    record: dict[str, Any] = json.loads(line)
    if kind == "no index":
        del record["index"]
    elif kind == "run lengths":
        record["labels"]["road"]["counts"] = record["labels"]["road"]["counts"][:-1]
    elif kind == "order":
        record["index"] = 0
    elif kind == "twice":
        record["index"] = 1
    elif kind == "size":
        record["labels"] = {"road": {"size": [2, 2], "counts": "04"}}
    elif kind == "depth":
        return json.dumps(record)[:-1].encode() + b',"x":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"
    return json.dumps(record).encode()


@pytest.mark.parametrize("kind", ["cut off", "no index", "run lengths", "order", "twice", "size", "depth"])
@pytest.mark.parametrize("side", [0, 1])
def test_a_broken_line_is_named_and_nothing_is_written(tmp_path: Path, kind: str, side: int) -> None:
    paths = [write(tmp_path / name, [scene(k, halves()) for k in range(4)]) for name in ("a.jsonl", "b.jsonl")]
    lines = paths[side].read_bytes().splitlines()
    lines[2] = broken(lines[2], kind)
    paths[side].write_bytes(b"\n".join(lines))
    said = dashmask("diff", *paths, "--json", tmp_path / "out.json")
    assert said.code == 2, said.out
    named = paths[1] if kind == "size" else paths[side]  # of two sizes neither is the wrong one
    assert f"{named.name}, line 3" in said.err
    assert "Traceback" not in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]


def test_a_line_that_is_broken_in_both_files_in_the_same_way_is_broken(tmp_path: Path) -> None:
    whole = encode_record(scene(0, halves()), timing=False)
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(whole + broken(whole.replace(b'"index":0', b'"index":1'), "run lengths"))
    said = dashmask("diff", tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert (said.code, "line 2" in said.err) == (2, True)


def test_files_that_are_not_there_empty_or_no_records_end_in_one_sentence(tmp_path: Path) -> None:
    good = write(tmp_path / "a.jsonl", [scene(0, halves())])
    (tmp_path / "empty.jsonl").write_bytes(b"\n\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    for other, says in (("none.jsonl", "cannot be read"), ("empty.jsonl", "no record"), ("picture.png", "line 1")):
        for pair in ((good, tmp_path / other), (tmp_path / other, good)):
            said = dashmask("diff", *pair)
            assert (said.code, says in said.err) == (2, True), said.err
    said = dashmask("diff", good, good, "--json", tmp_path / "no/out.json")
    assert (said.code, "there is no folder" in said.err) == (2, True)
    whole = good.read_bytes()
    said = dashmask("diff", good, good, "--json", good)
    assert (said.code, good.read_bytes()) == (2, whole), said.err  # what is read is not written over


@pytest.mark.parametrize("text", ["x", "label=0.1", "labels=2", "-1", "labels=", "labels=0.1,,", "nan"])
def test_a_mistyped_tolerance_is_an_error(tmp_path: Path, text: str) -> None:
    good = write(tmp_path / "a.jsonl", [scene(0, halves())])
    said = dashmask("diff", good, good, "--tolerance", text)
    assert (said.code, "--tolerance" in said.err) == (2, True)


def test_memory_does_not_grow_with_the_frames(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [scene(0, rng.integers(0, 3, HW).astype(np.uint8)) for _ in range(2)]
    lines = [encode_record(one, timing=False) for one in noise]

    def peak(frames: int) -> int:
        for name, line in zip(("a.jsonl", "b.jsonl"), lines, strict=True):
            texts = (line.replace(b'"index":0', b'"index":%d' % k) for k in range(frames))
            (tmp_path / name).write_bytes(b"".join(texts))
        tracemalloc.start()
        for _ in differences(tmp_path / "a.jsonl", tmp_path / "b.jsonl", Difference()):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(5)  # what is cached once
    assert peak(400) < peak(40) + 20_000


def test_a_real_run_and_one_with_a_coarser_input_differ_and_are_the_same_as_themselves(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    for name, size in (("a", 128), ("b", 128), ("c", 64)):
        words = ("run", clip, "-m", models[0], "--json", tmp_path / f"{name}.jsonl", "--imgsz", size)
        assert dashmask(*words, "--backend", "onnxruntime-cpu").code == 0
    assert dashmask("diff", tmp_path / "a.jsonl", tmp_path / "b.jsonl").code == 0
    said = dashmask("diff", tmp_path / "a.jsonl", tmp_path / "c.jsonl", "--tolerance", "0.001")
    assert said.code == 1
    assert "25 frames in both" in said.out
