"""A trace opens in Perfetto: what its format asks for, checked event by event."""

from __future__ import annotations

import json
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import dashmask

from pipeline.errors import SinkError
from pipeline.image import Image
from pipeline.trace import Trace
from pipeline.types import Frame


def frame(index: int, spans: dict[str, tuple[float, float]]) -> Frame:
    made = Frame(index, index, Fraction(1, 10), 99.9, Image((np.zeros((4, 4, 3), np.uint8),), "bgr24"))
    made.stamps.spans.update(spans)
    return made


def way(index: int) -> dict[str, tuple[float, float]]:
    """Two workers infer at once: each frame takes 30 ms there, and one comes every 20."""
    t = 100 + 0.020 * index
    return {"capture": (t, t + 0.002), "infer": (t + 0.005, t + 0.035), "render": (t + 0.036, t + 0.040)}


def events_of(path: Path) -> list[dict[str, Any]]:
    events = json.loads(path.read_text())
    assert isinstance(events, list)
    return events


def check(events: list[dict[str, Any]]) -> None:
    """The rules of the Trace Event Format."""
    tracks: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    open_spans: dict[tuple[str, str], int] = defaultdict(int)
    for event in events:
        assert event["ph"] in "MXbesfti"
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name", "thread_sort_index")
            continue
        assert event["ts"] >= 0  # Perfetto drops what is negative
        if event["ph"] == "X":
            assert event["dur"] >= 0
            tracks[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
        if event["ph"] in "be":
            open_spans[event["cat"], event["id2"]["local"]] += 1 if event["ph"] == "b" else -1
    assert not any(open_spans.values())
    for slices in tracks.values():  # on one track they may nest, never cross
        for (_, end), (begin, _) in zip(sorted(slices), sorted(slices)[1:], strict=False):
            assert begin >= end
    for event in events:
        if event["ph"] in "stf":  # an arrow ends inside a slice
            inside = tracks[event["pid"], event["tid"]]
            assert any(begin <= event["ts"] <= end for begin, end in inside)


def test_every_frame_is_a_slice_a_stage_on_a_track_a_worker(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.json") as trace:
        for index in range(20):
            trace.add(frame(index, way(index)), 100 + 0.020 * index + 0.041, {})
    events = events_of(tmp_path / "t.json")
    check(events)
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert sorted(names.values()) == ["capture", "frames", "infer", "infer 2", "render"]
    slices = [e for e in events if e["ph"] == "X"]
    assert len(slices) == 60
    assert slices[0] | {"tid": 0} == {"ph": "X", "cat": "stage", "name": "capture", "pid": 1, "tid": 0, "ts": 100e6,
        "dur": pytest.approx(2000), "args": {"frame": 0, "pts_s": 0}}  # fmt: skip
    arrows = [e["ph"] for e in events if e.get("cat") == "way" and e["id"] == 7]
    assert arrows == ["s", "t", "f"]


def test_the_waits_of_a_frame_lie_inside_its_way(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.json") as trace:
        trace.add(frame(3, way(3)), 100.200, {})
    events = events_of(tmp_path / "t.json")
    check(events)
    told = [(e["ph"], e["name"], e["ts"]) for e in events if e["ph"] in "be" and e["name"] != "frame"]
    infer, render = "waits for infer", "waits for render"
    assert [(kind, name) for kind, name, _ in told] == [("b", infer), ("e", infer), ("b", render), ("e", render)]
    assert [ts for _, _, ts in told] == [100_062_000, 100_065_000, 100_095_000, 100_096_000]


def test_what_a_gpu_did_has_tracks_of_its_own(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.json") as trace:
        for index in range(10):
            made = frame(index, way(index))
            begin_s = made.stamps.spans["infer"][0]
            made.stamps.device["gpu: net"] = begin_s + 0.001, begin_s + 0.025  # two overlap
            trace.add(made, 100 + 0.020 * index + 0.041, {})
    events = events_of(tmp_path / "t.json")
    check(events)
    slices = [e for e in events if e["ph"] == "X" and e["cat"] == "gpu"]
    assert [(e["args"]["frame"], e["dur"]) for e in slices] == [(k, pytest.approx(24000)) for k in range(10)]
    tracks = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert {tracks[e["tid"]] for e in slices} == {"gpu: net", "gpu: net 2"}


def test_drops_are_marked_where_they_are_first_known(tmp_path: Path) -> None:
    with Trace(tmp_path / "t.json") as trace:
        for index, dropped in ((0, {}), (3, {"newest": 2}), (4, {"newest": 2}), (6, {"newest": 3})):
            trace.add(frame(index, way(index)), 100.0 + index, dropped)
    marks = [e for e in events_of(tmp_path / "t.json") if e["ph"] == "i"]
    assert [(e["name"], e["args"]["frames"]) for e in marks] == [("dropped: newest", 2), ("dropped: newest", 1)]
    assert [e["ts"] for e in marks] == [103e6, 106e6]  # when it was known, not when the frame behind them began


def test_frames_have_one_row_and_each_stage_has_its_tracks_side_by_side(tmp_path: Path) -> None:
    """Perfetto gives each name of a span a row, and sorts tracks by their number."""
    with Trace(tmp_path / "t.json") as trace:
        for index in range(20):
            trace.add(frame(index, way(index)), 100 + 0.020 * index + 0.041, {})
    events = events_of(tmp_path / "t.json")
    spans = [e for e in events if e["ph"] == "b"]
    assert {e["name"] for e in spans} == {"frame", "waits for infer", "waits for render"}
    assert [e["args"]["frame"] for e in spans if e["name"] == "frame"] == list(range(20))
    named = sorted((e["tid"], e["args"]["name"]) for e in events if e["name"] == "thread_name")
    assert [name for _, name in named] == ["frames", "capture", "infer", "infer 2", "render"]
    assert 1 not in {track for track, _ in named}  # the number of the process is that of a main thread


def test_a_frame_that_came_before_the_first_has_a_time_that_counts(tmp_path: Path) -> None:
    """Frames of a live source are due, and dated by their sender, before anybody reads them."""
    with Trace(tmp_path / "t.json") as trace:
        trace.add(frame(0, {"infer": (100.0, 100.01)}), 100.02, {"newest": 1})
    check(events_of(tmp_path / "t.json"))


def test_slices_that_follow_each_other_at_once_never_cross(tmp_path: Path) -> None:
    begins = 1234 + np.cumsum(np.random.default_rng(0).uniform(0, 1e-6, 1000))
    with Trace(tmp_path / "t.json") as trace:
        for index, (begin_s, end_s) in enumerate(pairwise(begins.tolist())):
            trace.add(frame(index, {"infer": (begin_s, end_s)}), end_s, {})
    slices = [event for event in events_of(tmp_path / "t.json") if event["ph"] == "X"]
    for one, following in pairwise(slices):
        assert one["ts"] + one["dur"] <= following["ts"] + 1e-4  # Perfetto counts nanoseconds, 1e-3


def test_an_empty_run_leaves_an_array(tmp_path: Path) -> None:
    Trace(tmp_path / "t.json").close()
    assert [e["ph"] for e in events_of(tmp_path / "t.json")] == ["M", "M"]


def test_a_run_leaves_its_trace(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    words = ("-m", models[0], "--backend", "onnxruntime-cpu", "--save", tmp_path / "out.mp4")
    said = dashmask("run", clip, *words, "--trace", tmp_path / "t.json")
    assert said.code == 0, said.err
    events = events_of(tmp_path / "t.json")
    check(events)
    slices = [e for e in events if e["ph"] == "X"]
    stages = ("capture", "preprocess", "infer", "postprocess", "render", "video")
    assert {name: sum(e["name"] == name for e in slices) for name in stages} == dict.fromkeys(stages, 25)
    assert {e["name"] for e in slices} == set(stages)


def test_a_killed_run_leaves_events_that_lack_only_their_bracket(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "t.json")
    trace.add(frame(0, way(0)), 101.0, {})
    trace._file.flush()
    text = (tmp_path / "t.part.json").read_text()
    check(json.loads(text.rstrip().removesuffix(",") + "]"))
    trace.close()


def test_a_run_that_fails_leaves_what_it_has_under_a_name_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("older")

    def fails() -> None:
        with Trace(tmp_path / "t.json") as trace:
            trace.add(frame(0, way(0)), 101.0, {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert (tmp_path / "t.json").read_text() == "older"
    check(events_of(tmp_path / "t.partial.json"))


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"no/t\.json: there is no folder"):
        Trace(tmp_path / "no" / "t.json")
