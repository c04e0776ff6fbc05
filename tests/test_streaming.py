"""Time in accuracy: each frame of a film is scored against the newest result that was there when it was shown."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command import Said, dashmask
from flow_parts import no_thread_is_left as no_thread_is_left
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import pipeline.evaluation.pace
from pipeline.config import BackendConfig, Config
from pipeline.datasets import open_dataset
from pipeline.errors import DataError, SourceError
from pipeline.evaluation.following import Following, Way, no_objects
from pipeline.evaluation.labelled import DatasetSource
from pipeline.evaluation.pace import Paced
from pipeline.evaluation.streaming import play
from pipeline.flow import Flow
from pipeline.image import Image
from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.metrics.streaming import Moment, Pairing, pair
from pipeline.networks import networks
from pipeline.types import VOID, Classes, Frame, Labels, Scene, SourceInfo, Truth

CPU = ("--backend", "onnxruntime-cpu")
NAMES = ("red", "green", "blue")
BGR = np.array([(0, 0, 255), (0, 255, 0), (255, 0, 0)], np.uint8)


def moments(*pairs: tuple[int, float]) -> list[Moment]:
    return [Moment(frame, at) for frame, at in pairs]


def film(frames: int, every: float = 1.0) -> list[Moment]:
    return [Moment(k, k * every) for k in range(frames)]


# The rule


def test_a_result_counts_from_the_frame_that_is_shown_when_it_is_finished() -> None:
    """A detector that takes one frame and a half: it works on 0, 2 (the newest at 1.5 is 1), 3 ..."""
    pairing = pair(film(6), moments((0, 1.5), (1, 3.0), (3, 4.5)))
    assert dict(pairing.against) == {0: None, 1: None, 2: 0, 3: 1, 4: 1, 5: 3}
    assert dict(pairing.behind) == {2: 2, 3: 2, 4: 3, 5: 2}
    assert (pairing.missed, pairing.in_time) == (2, 0)
    assert pairing.mean_lag_frames == (2 + 2 + 3 + 2) / 4
    assert pairing.used == {0, 1, 3}


def test_even_a_fast_detector_is_one_frame_behind() -> None:
    """As the paper says of all that takes time: what is finished within a frame is there for the next one."""
    pairing = pair(film(4), moments(*((k, k + 0.2) for k in range(4))))
    assert dict(pairing.against) == {0: None, 1: 0, 2: 1, 3: 2}


def test_a_detector_that_takes_no_time_is_scored_as_if_offline() -> None:
    pairing = pair(film(4), film(4))
    assert dict(pairing.against) == {k: k for k in range(4)}
    assert (pairing.in_time, pairing.missed, pairing.mean_lag_frames) == (4, 0, 0)


def test_what_is_finished_at_the_very_moment_is_in_time_and_later_is_not() -> None:
    assert pair(film(2), moments((0, 1.0))).against[1] == 0
    assert pair(film(2), moments((0, 1.0000001))).against[1] is None


def test_the_last_one_finished_counts_even_if_it_is_about_an_older_frame() -> None:
    assert pair(film(4), moments((1, 2.0), (0, 2.5))).against[3] == 0
    assert pair(film(4), moments((0, 2.0), (1, 2.0))).against[3] == 1  # at one moment: in the order given


def test_nothing_comes_of_nothing() -> None:
    pairing = pair(film(2), [])
    assert (pairing.missed, pairing.mean_lag_frames, pairing.used) == (2, None, frozenset())
    assert pair([], []).against == {}


def test_times_that_run_backwards_and_results_of_nothing_are_refused() -> None:
    for shown, finished in (
        (moments((0, 1.0), (1, 0.5)), []),
        (moments((0, 0.0), (0, 0.5)), []),
        (film(2), moments((7, 1.0))),
    ):
        with pytest.raises(ValueError, match="frame"):
            pair(shown, finished)


def walked(shown: Sequence[Moment], finished: Sequence[Moment]) -> dict[int, int | None]:
    """The official toolkit's way, in its own order: a pointer that goes on while the next result is there."""
    at_hand, out = 0, {}
    for frame, time in shown:
        while at_hand < len(finished) and finished[at_hand].at <= time:
            at_hand += 1
        out[frame] = finished[at_hand - 1].frame if at_hand else None
    return out


@given(st.data())
def test_the_rule_is_that_of_a_search_through_all_results_and_of_the_official_toolkit(data: st.DataObject) -> None:
    times = st.integers(0, 40)
    shown = [Moment(k, at) for k, at in enumerate(sorted(data.draw(st.lists(times, max_size=15))))]
    ids = st.integers(0, max(0, len(shown) - 1))
    found = data.draw(st.lists(st.builds(Moment, ids, times), max_size=15)) if shown else []
    against = dict(pair(shown, found).against)
    for frame, time in shown:
        there = [(result.at, place) for place, result in enumerate(found) if result.at <= time]
        assert against[frame] == (found[max(there)[1]].frame if there else None)
    assert against == walked(shown, sorted(found, key=lambda result: result.at))


# Scoring what was there


def scene(index: int) -> Scene:
    labels = Labels(np.full((2, 3), index % 200, np.uint8), Classes(("a",) * 200, ((0, 0, 0),) * 200))
    image = Image((np.zeros((2, 3, 3), np.uint8),), "bgr24")
    return Scene(Frame(index, index, Fraction(1), 0.0, image), no_objects(labels.classes), labels)


def scored(ways: Sequence[Pairing], frames: int) -> tuple[list[dict[int, int | None]], int]:
    """Which result each way's frames were scored against, read off the labels; most results kept at a time."""
    said: list[dict[int, int | None]] = [{} for _ in ways]

    def score(place: int, one: Scene) -> None:
        assert one.labels is not None
        value = int(one.labels.map[0, 0])
        said[place][one.frame.index] = None if value == VOID else value

    following = Following([Way(way, lambda one, place=place: score(place, one)) for place, way in enumerate(ways)])
    most = 0
    for index in range(frames):
        following.add(scene(index))
        most = max(most, following.kept)
    return said, most


@given(st.lists(st.lists(st.integers(0, 6), min_size=30, max_size=30), min_size=1, max_size=3))
def test_frames_are_scored_against_the_result_that_the_pairing_says(steps: list[list[int]]) -> None:
    ways = []
    for walk in steps:
        against: dict[int, int | None] = {}
        newest = -1
        for frame, step in enumerate(walk):
            newest = max(newest, frame - step)
            against[frame] = newest if newest >= 0 else None
        ways.append(Pairing(against, {}))
    said, most = scored(ways, 30)
    assert said == [dict(way.against) for way in ways]
    assert most <= 8  # the longest way back, its own and one more


def test_results_that_nobody_waits_for_are_forgotten() -> None:
    lag = Pairing({k: k - 3 if k >= 3 else None for k in range(150)}, {})
    said, most = scored([lag], 150)
    assert said == [dict(lag.against)]
    assert most <= 5
    few = Pairing({k: (k - 3) // 5 * 5 if k >= 3 else None for k in range(150)}, {})
    said, most = scored([few], 150)
    assert said == [dict(few.against)]
    assert most <= 2  # four of five results were never there in time


def test_a_result_that_does_not_come_again_is_an_error() -> None:
    following = Following([Way(Pairing({1: 0}, {}), lambda one: None)])
    with pytest.raises(DataError, match="frame 0"):
        following.add(scene(1))


def test_objects_are_kept_as_they_were() -> None:
    from test_diff import scene as with_objects

    first = with_objects(0, objects=[("car", (3, 4, 20, 30), 0.9), ("tree", (0, 0, 5, 5), 0.5)])
    got: list[Scene] = []
    following = Following([Way(Pairing({0: None, 1: 0}, {}), got.append)])
    following.add(first)
    following.add(with_objects(1, objects=[]))
    assert got[0].instances is not None
    assert len(got[0].instances) == 0
    assert got[0].labels is None
    kept = got[1].instances
    assert kept is not None
    assert first.instances is not None
    for name in ("boxes_xyxy", "scores", "class_ids", "crops_px", "arena", "offset"):
        assert (getattr(kept, name) == getattr(first.instances, name)).all()
    assert got[1].frame.index == 1


# Its own pace


class Numbers:
    """Frames whose times are given."""

    live = False
    undecodable = 0

    def __init__(self, times: Sequence[float], truth: bool = True) -> None:
        self.info = SourceInfo("numbers", fps=1.0)
        self._times = times
        self._truth = truth

    def __enter__(self) -> Iterator[Frame]:
        for index, time in enumerate(self._times):
            image = Image((np.zeros((8, 8, 3), np.uint8),), "bgr24")
            yield Frame(index, round(time * 1000), Fraction(1, 1000), 0.0, image, Truth() if self._truth else None)

    def __exit__(self, *error: object) -> None:
        pass


def test_a_film_comes_as_it_was_filmed_live_and_without_its_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pipeline.evaluation.pace, "AHEAD_BYTES", 3 * 8 * 8 * 3
    )  # so that some are read ahead, some later
    times = [5.0, 5.001, 5.01, 5.011, 5.02, 5.021, 5.03]
    paced = Paced(Numbers(times))
    with paced as frames:
        got = list(frames)
    assert paced.live
    assert paced.info.live
    assert paced.shown == [Moment(k, pytest.approx(time - 5)) for k, time in enumerate(times)]
    assert [frame.captured_s for frame in got] == [paced.began_s + at for _, at in paced.shown]
    assert all(frame.truth is None for frame in got)
    assert paced.latest_s > 0  # nobody is ever exactly in time


def test_times_that_do_not_ascend_are_an_error() -> None:
    with pytest.raises(SourceError, match="frame 2"), Paced(Numbers([0, 0.001, 0.001])) as frames:
        list(frames)


def test_an_empty_source_ends_at_once() -> None:
    paced = Paced(Numbers([]))
    with paced as frames:
        assert list(frames) == []


def test_a_stop_wakes_a_film_that_waits() -> None:
    paced = Paced(Numbers([0, 3600]))
    begun = threading.Event()

    def opened() -> Any:
        return paced

    flow: Flow[Frame] = Flow(opened, (), live=True)
    paced.stopping = flow.stopping
    with flow:
        for frame in flow:
            assert frame.index == 0
            begun.set()
            flow.end()
    assert begun.is_set()


class StopsAtTheSecondShowing(Numbers):
    """Ctrl-C while the film plays; the first showing is the warm-up."""

    showings = 0

    def __enter__(self) -> Iterator[Frame]:
        self.showings += 1
        for frame in super().__enter__():
            if self.showings > 1 and frame.index == 100:
                signal.raise_signal(signal.SIGINT)
            yield frame


def test_a_film_that_is_stopped_is_not_scored(models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    monkeypatch.setattr(pipeline.evaluation.pace, "AHEAD_BYTES", 0)  # so that it is read while it plays
    config = Config(model=(str(models[0]),), backend=BackendConfig(name="onnxruntime-cpu"))
    nets = networks(config)
    source = StopsAtTheSecondShowing([k / 100 for k in range(500)])
    with pytest.raises(DataError, match="stopped"):
        play(source, config, nets)
    nets[0].selection.backend.close()
    assert source.showings == 2


def test_a_data_set_is_a_film_at_the_rate_it_is_given(tmp_path: Path) -> None:
    painted(tmp_path, 2)
    data = open_dataset("folders", tmp_path, "all")
    assert [frame.pts_s for frame in DatasetSource(data).__enter__()] == [0, 0.1]
    source = DatasetSource(data, fps=29.97)
    assert [frame.pts_s for frame in source.__enter__()] == [0, pytest.approx(1001 / 30000, rel=1e-5)]
    assert source.info.fps == pytest.approx(29.97, rel=1e-5)


@pytest.mark.parametrize(
    ("names", "fps"),
    [
        (["0016E5_07959", "0016E5_07961", "0016E5_07963"], 15),
        (["0006R0_f01230", "0006R0_f01260"], 1),
        (["0016E5_00001", "0016E5_00031", "0016E5_00091"], None),  # one is missing
        (["0001TP_006690", "0006R0_f01230"], None),  # two films
        (["0016E5_00001"], None),
    ],
)
def test_camvid_is_a_film_where_its_numbers_say_so(tmp_path: Path, names: list[str], fps: float | None) -> None:
    for name in names:
        for folder in ("val", "valannot"):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"{name}.png"), np.zeros((4, 4), np.uint8))
    source = DatasetSource(open_dataset("camvid", tmp_path, "val"))
    assert source.timed == (fps is not None)
    assert source.info.fps == (fps or 10)


# The command


def painted(root: Path, count: int) -> NDArray[np.uint8]:
    """Images whose squares are red, green or blue, other ones in each image; what is seen, (n, h, w)."""
    seen = []
    for index in range(count):
        cells = np.random.default_rng(index).integers(0, 3, (6, 8))
        ids = np.kron(cells, np.ones((16, 16), int)).astype(np.uint8)
        for folder, picture in (("images", BGR[ids]), ("masks", ids)):
            (root / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(root / folder / f"{index:02}.png"), picture)
        seen.append(ids)
    (root / "classes.txt").write_text("\n".join(NAMES))
    return np.stack(seen)


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


pytestmark = pytest.mark.timeout(120)


def test_streaming_accuracy_is_that_of_the_results_that_were_there(models: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
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
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
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
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
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


def test_records_that_do_not_fit_are_named(models: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
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
        (("--replay", tmp_path / "t.jsonl", "--streaming"), "--streaming needs a run"),
        (("--record-times", tmp_path / "no/t.jsonl"), "folder"),
    ):
        said, _ = evaluated(tmp_path, models[0], *words, "--fps", 50)
        assert (said.code, says in said.err) == (2, True), said.err
    (tmp_path / "masks/00.png").write_bytes(b"no")
    (tmp_path / "masks/01.png").write_bytes(b"no")
    said, _ = evaluated(tmp_path, models[0], "--record-times", tmp_path / "t.jsonl", "--fps", 50)
    assert said.code == 2
    assert not list(tmp_path.glob("t.jsonl*"))


def test_a_real_network_is_scored_in_time_on_a_real_film(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
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
