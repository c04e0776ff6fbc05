"""Frames that the networks leave out show what was found before, where it is now; and which frames those are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command import dashmask
from numpy.typing import NDArray

import pipeline
from pipeline.config import TrackConfig
from pipeline.image import Image
from pipeline.records import encode_record
from pipeline.track import Keys, OverTime
from pipeline.track.films import KEPT, Films
from pipeline.track.motion import FlowMotion
from pipeline.track.moved import MovedObjects, moved_labels
from pipeline.types import VOID, Classes, Frame, Instances, Labels, Scene, Truth

CLASSES = Classes(("road", "car"), ((120, 60, 120), (40, 80, 200)))
HW = (240, 320)
NOISE = np.random.default_rng(0).integers(0, 256, (600, 800)).astype(np.uint8)
TEXTURE = cv2.normalize(cv2.GaussianBlur(NOISE, (0, 0), 3), np.zeros_like(NOISE), 40, 220, cv2.NORM_MINMAX)
CPU = ("--backend", "onnxruntime-cpu")


def picture(index: int, matrix: NDArray[np.float64], name: str = "") -> Frame:
    """The texture as `matrix` (2, 3) brings it into the picture."""
    grey = cv2.warpAffine(TEXTURE, matrix, HW[::-1], flags=cv2.INTER_LINEAR)
    image = Image((cv2.merge([grey] * 3),), "bgr24")
    return Frame(index, index, Fraction(1, 10), 0.0, image, Truth(name=name) if name else None)


def shifted(pixels: float) -> NDArray[np.float64]:
    """To the left."""
    return np.array([[1, 0, -100 - pixels], [0, 1, -100]], np.float64)


def zoomed(by: float) -> NDArray[np.float64]:
    """Towards the middle of the picture."""
    return np.array([[by, 0, 160 - by * 260], [0, by, 120 - by * 220]], np.float64)


def square(x: float, y: float, side: float) -> NDArray[np.uint8]:
    labels = np.zeros(HW, np.uint8)
    labels[round(y) : round(y + side), max(0, round(x)) : max(0, round(x + side))] = 1
    return labels


def one_object(x: int, y: int, side: int) -> Instances:
    box = np.array([[x, y, x + side, y + side]], np.int32)
    inside = cv2.circle(np.zeros((side, side), np.uint8), (side // 2, side // 2), side // 2 - 1, 255, -1)
    offset = np.array([0, inside.size])
    found = np.array([0.9], np.float32), np.array([1], np.int32)
    return Instances(box.astype(np.float32), *found, box, inside.reshape(-1), offset, CLASSES)


def watched(frames: Sequence[Frame], scene: Any, **settings: Any) -> list[Scene]:
    """The scenes of frames, of which `scene(frame)` is asked only where networks look."""
    config = TrackConfig(**settings)
    keys, over_time = Keys(config), OverTime(config, lambda: 0.25)
    marked = [keys(frame) for frame in frames]
    return [over_time(Scene(frame) if frame.carried else scene(frame)) for frame in marked]


def test_labels_are_where_the_picture_moved_to() -> None:
    frames = [picture(i, shifted(6 * i)) for i in range(7)]
    truths = [square(200 - 6 * i, 80, 60) for i in range(7)]
    seen = watched(frames, lambda frame: Scene(frame, labels=Labels(truths[frame.index], CLASSES)), carry=2)
    assert [scene.frame.carried for scene in seen] == [0, 1, 2, 0, 1, 2, 0]
    for scene, truth in zip(seen, truths, strict=True):
        assert scene.labels is not None
        assert (scene.labels.map != truth).mean() < 0.005
        assert scene.frame.carried or (scene.labels.map == truth).all()
    assert (truths[0] != truths[2]).mean() > 0.015  # held in place they would be wrong


def test_labels_of_large_frames_are_moved_as_well() -> None:
    flow = np.full((9, 16, 2), 0, np.float32)
    flow[..., 0] = 1  # of 16 cells: from the right by a sixteenth
    labels = np.zeros((1080, 1920), np.uint8)
    labels[300:600, 900:1200] = 1
    labels[:, 1900:] = VOID
    motion = FlowMotion(flow, np.full((9, 16), 255, np.uint8), (1080, 1920))
    moved = moved_labels(Labels(labels, CLASSES), motion).map
    assert moved.shape == (1080, 1920)
    expected = np.zeros_like(labels)
    expected[300:600, 780:1080] = 1
    expected[:, 1780:] = VOID  # what comes in is as the edge was
    assert (moved != expected).mean() < 0.002


@pytest.mark.parametrize(("by", "side"), [("shift", 60), ("zoom", 60), ("zoom", 12)])
def test_objects_move_and_grow_with_the_picture(by: str, side: int) -> None:
    matrices = [shifted(5 * i) if by == "shift" else zoomed(1.04**i) for i in range(4)]
    corner = 120 - side // 2, 130 - side // 2
    seen = watched(
        [picture(i, m) for i, m in enumerate(matrices)], lambda f: Scene(f, one_object(*corner, side)), carry=3
    )
    for scene, matrix in zip(seen, matrices, strict=True):
        assert scene.instances is not None
        first = cv2.invertAffineTransform(matrices[0])  # of the first picture into the texture
        corners = np.array([corner, (corner[0] + side, corner[1] + side)], np.float64)
        expected = (matrix[:, :2] @ (first[:, :2] @ corners.T + first[:, 2:]) + matrix[:, 2:]).T
        assert np.abs(scene.instances.boxes_xyxy.reshape(2, 2) - expected).max() < 1.5
        x0, y0, x1, y1 = scene.instances.crops_px[0].tolist()
        assert scene.instances.mask(0).shape == (y1 - y0, x1 - x0)
        middle, radius = expected.mean(0), (expected[1] - expected[0]).mean() / 2 - 1
        across = np.indices(HW)[::-1] + 0.5 - middle[:, None, None]
        disc = (across**2).sum(0) < radius**2
        mask = scene.instances.full_mask(0, HW)
        assert (disc & mask).sum() / (disc | mask).sum() > (0.9 if side > 20 else 0.7)


def test_what_leaves_the_picture_is_gone_and_an_object_without_a_mask_keeps_its_box() -> None:
    flow = np.zeros((24, 32, 2), np.float32)
    flow[..., 0] = 3  # of 32 cells of 10 pixels: everything moves 30 to the left
    motion = FlowMotion(flow, np.full((24, 32), 255, np.uint8), HW)
    boxes = np.array([[0, 50, 29, 90], [20, 100, 60, 140], [200, 20, 240, 60]], np.float32)
    crops = np.array([[0, 50, 29, 90], [20, 100, 60, 140], [200, 20, 200, 20]], np.int32)
    areas = [29 * 40, 40 * 40, 0]
    found = Instances(
        boxes,
        np.array([0.9, 0.8, 0.7], np.float32),
        np.array([1, 0, 1], np.int32),
        crops,
        np.full(sum(areas), 255, np.uint8),
        np.cumsum([0, *areas]),
        CLASSES,
    )
    moved = MovedObjects(found, HW)(motion)
    assert moved.boxes_xyxy.round().tolist() == [[0, 100, 30, 140], [170, 20, 210, 60]]
    assert moved.class_ids.tolist() == [0, 1]
    assert moved.scores.tolist() == found.scores[1:].tolist()
    assert moved.full_mask(0, HW)[100:140, 0:30].all()
    assert moved.mask(1).size == 0
    nothing = MovedObjects(found.take(np.array([], np.intp)), HW)(motion)
    assert len(nothing) == 0
    assert nothing.boxes_xyxy.shape == (0, 4)


@pytest.mark.parametrize(("pixels", "factor"), [(0.4, 1), (-0.3, 1), (1.2, 6)])
def test_what_moves_less_than_a_pixel_a_frame_does_not_stay_behind(pixels: float, factor: int) -> None:
    size = HW[0] * factor, HW[1] * factor
    back = np.full((*HW, 2), 0, np.float32)
    back[..., 0] = -pixels / factor  # as the flow of small pictures of large frames
    motion = FlowMotion(back, np.full(HW, 255, np.uint8), size)
    labels = np.repeat(np.repeat(square(100, 80, 60), factor, 0), factor, 1)
    found = one_object(100, 80, 60)
    if factor > 1:
        box = found.crops_px * factor
        mask = np.repeat(np.repeat(found.mask(0), factor, 0), factor, 1).reshape(-1)
        found = replace(
            found, boxes_xyxy=box.astype(np.float32), crops_px=box, arena=mask, offset=np.array([0, mask.size])
        )
    over_time, image = (
        OverTime(TrackConfig(carry=20), lambda: 0.25),
        Image((np.zeros((*size, 3), np.uint8),), "bgr24"),
    )
    frames = [Frame(i, i, Fraction(1, 10), 0.0, image, carried=i, motion=motion if i else None) for i in range(21)]
    *_, last = [
        over_time(Scene(frame) if frame.carried else Scene(frame, found, Labels(labels, CLASSES))) for frame in frames
    ]
    assert last.labels is not None
    assert last.instances is not None
    moved = round(20 * pixels)
    assert (last.labels.map == np.roll(labels, moved, 1)).mean() > 0.998
    assert np.abs(last.instances.boxes_xyxy - found.boxes_xyxy - (moved, 0, moved, 0)).max() < 0.1
    mask, was = last.instances.full_mask(0, size), found.full_mask(0, size)
    assert (mask == np.roll(was, moved, 1)).mean() > 0.998
    assert mask.sum() == pytest.approx(was.sum(), rel=0.02)
    assert np.abs(last.instances.crops_px - found.crops_px - (moved, 0, moved, 0)).max() <= 1  # it does not grow


def test_labels_that_stand_still_stay_where_they_are_however_large() -> None:
    labels = square(101, 83, 60)
    labels = np.repeat(np.repeat(labels, 8, 0), 8, 1)[3:1923, 5:2565]  # edges are on no cell of the grid
    motion = FlowMotion(np.zeros((240, 320, 2), np.float32), np.full((240, 320), 255, np.uint8), labels.shape)
    moved = moved_labels(Labels(labels, CLASSES), motion).map
    for axis in (0, 1):
        at, was = np.flatnonzero(moved.any(axis)), np.flatnonzero(labels.any(axis))
        assert abs(at.mean() - was.mean()) <= 1


def test_the_networks_look_at_a_cut_at_another_size_and_at_each_film_anew() -> None:
    keys = Keys(TrackConfig(carry=9))
    films = [picture(i, shifted(2 * i)) for i in range(3)]
    other = replace(films[0], image=Image((255 - films[0].image.planes[0][::-1],), "bgr24"))
    small = replace(films[0], image=Image((films[0].image.planes[0][::2, ::2].copy(),), "bgr24"))
    elsewhere = replace(films[0], source=1)
    named = picture(0, shifted(0), name="film/0")
    frames = [*films, other, other, small, small, elsewhere, named, small]
    assert [keys(frame).carried for frame in frames] == [0, 1, 2, 0, 1, 0, 1, 0, 0, 2]


@pytest.mark.parametrize("light", [1.0, 0.25, 0.15])
def test_a_cut_is_seen_in_the_dark_too(light: float) -> None:
    def dimmed(frame: Frame, turned: bool = False) -> Frame:
        plane = (frame.image.planes[0] * light).astype(np.uint8)
        noise = np.random.default_rng(frame.index).integers(-2, 3, plane.shape)
        shown = np.clip((plane[::-1] if turned else plane) + noise, 0, 255).astype(np.uint8)
        return replace(frame, image=Image((shown,), "bgr24"))

    keys = Keys(TrackConfig(carry=9))
    frames = [dimmed(picture(i, shifted(2 * i)), turned=i > 2) for i in range(5)]
    assert [keys(frame).carried for frame in frames] == [0, 1, 2, 0, 1]


def test_the_networks_look_at_the_first_frame_behind_a_gap() -> None:
    keys = Keys(TrackConfig(carry=9, smooth=True))
    frames = [replace(picture(i, shifted(2 * i)), gaps=int(i > 2)) for i in range(5)]
    seen = [keys(frame) for frame in frames]
    assert [frame.carried for frame in seen] == [0, 1, 2, 0, 1]
    assert seen[3].motion is None  # nothing is known of how the picture came there


def test_no_more_films_are_remembered_than_come_in_turn() -> None:
    begun: list[int] = []
    films = Films(lambda: begun.append(len(begun)) or begun[-1])  # type: ignore[func-returns-value]
    a_frame = picture(0, shifted(0))

    def of(name: str, source: int = 0) -> int:
        return films.of(replace(a_frame, truth=Truth(name=name), source=source))

    assert [of(f"{film}/{i}") for i in range(3) for film in range(KEPT)] == list(range(KEPT)) * 3
    assert of("0/9", source=1) == KEPT  # another source takes nobody's place
    assert of("another/0") == KEPT + 1
    assert of("1/9") == 1
    assert of("0/9") == KEPT + 2  # the one that was away for longest


def test_an_object_that_was_seen_once_gets_no_number_by_being_carried() -> None:
    frames = [picture(i, shifted(0)) for i in range(12)]
    nothing = one_object(100, 80, 40).take(np.array([], np.intp))
    look = lambda frame: Scene(frame, one_object(100, 80, 40) if frame.index in (3, 6) else nothing)  # noqa: E731
    once = watched(frames[:6], look, carry=2, objects=True)
    twice = watched(frames, look, carry=2, objects=True)
    assert numbers(once) == [[]] * 3 + [[0]] * 3
    assert numbers(twice) == [[]] * 3 + [[0]] * 3 + [[1]] * 3 + [[]] * 3


def numbers(scenes: Sequence[Scene]) -> list[list[int]]:
    found = [scene.instances for scene in scenes]
    return [one.track_ids.tolist() for one in found if one is not None and one.track_ids is not None]


def test_a_wrong_answer_is_not_confirmed_by_the_frames_it_was_carried_to() -> None:
    frames = [picture(i, shifted(0)) for i in range(8)]
    wrong = square(100, 80, 60)
    wrong[100:110, 120:130] = 0
    said = {4: wrong}
    look = lambda frame: Scene(frame, labels=Labels(said.get(frame.index, square(100, 80, 60)), CLASSES))  # noqa: E731
    plain = watched(frames, look, carry=1)
    steady = watched(frames, look, carry=1, smooth=True)
    shown = [[bool(s.labels.map[105, 125]) for s in scenes if s.labels] for scenes in (plain, steady)]
    assert shown == [[True] * 4 + [False] * 2 + [True] * 2, [True] * 8]


def test_numbers_go_on_through_frames_that_nothing_looked_at() -> None:
    frames = [picture(i, shifted(5 * i)) for i in range(7)]
    seen = watched(frames, lambda f: Scene(f, one_object(200 - 5 * f.index, 80, 40)), carry=2, objects=True)
    assert [scene.instances.track_ids.tolist() for scene in seen if scene.instances] == [[1]] * 7  # type: ignore[union-attr]
    assert all(scene.frame.motion is None for scene in seen)  # nothing keeps flows alive


def test_a_run_says_which_frames_were_carried_and_leaves_the_others_as_they_are(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    nets = [word for model in models for word in ("-m", model)]
    drive, records = "demo:frames=12,size=320x192", {}
    for carry in (0, 2):
        outputs = (
            "--json",
            tmp_path / f"{carry}.jsonl",
            "--summary",
            tmp_path / f"{carry}.json",
            "--no-timing",
            "--trace",
            tmp_path / f"{carry}.trace",
        )
        said = dashmask("run", drive, *nets, "--carry", carry, *outputs, *CPU, "--save", tmp_path / f"{carry}.mp4")
        assert said.code == 0, said.err
        records[carry] = [json.loads(line) for line in (tmp_path / f"{carry}.jsonl").read_text().splitlines()]
    assert "12 processed (8 of them carried)" in " ".join((said.out + said.err).split())
    assert [record["index"] for record in records[2]] == list(range(12))
    assert [record.pop("carried", 0) for record in records[2]] == [0, 1, 2] * 4
    assert records[2][::3] == records[0][::3]
    assert [len(record["instances"]) for record in records[2]] == [2] * 12
    told = json.loads((tmp_path / "2.json").read_text())
    assert told["frames"]["carried"] == 8
    looked = {name: times["samples"] for name, times in told["stages_ms"].items()}
    assert looked["infer"] == looked["preprocess"] == looked["postprocess"] == 4
    assert looked["follow"] == looked["track"] == looked["video"] == 12
    assert "carried" not in json.loads((tmp_path / "0.json").read_text())["frames"]
    traced = {e["args"]["frame"]: e["args"] for e in json.loads((tmp_path / "2.trace").read_text()) if e["ph"] == "X"}
    assert [traced[i].get("carried", 0) for i in range(12)] == [0, 1, 2] * 4
    with pipeline.open(drive, models, track={"carry": 2}, backend={"name": CPU[1], "workers": 3}) as scenes:
        lines = [json.loads(encode_record(scene, timing=False)) for scene in scenes]
    for line in lines:
        line.pop("carried", None)
    assert lines == records[2]


def test_on_real_footage_carrying_loses_little_of_the_iou_that_holding_loses(shared: Path) -> None:
    clip, model = shared / "data/video/camvid_val_0016E5_15fps_h264.mp4", "roadnet-camvid"
    truths = sorted((shared / "data/camvid").rglob("valannot/*.png"))[:60]  # of the frames of the clip
    settings: dict[str, Any] = {"backend": {"name": CPU[1]}, "source": {"frames": len(truths)}}
    every = [scene.labels.map for scene in pipeline.open(clip, model, **settings) if scene.labels]
    carried = list(pipeline.open(clip, model, track={"carry": 1}, **settings))
    moved = [i for i, scene in enumerate(carried) if scene.frame.carried]
    assert moved == list(range(1, len(truths), 2))

    def mean_iou(shown: Sequence[NDArray[np.uint8]]) -> float:
        confusion = np.zeros(121, np.int64)
        for i, labels in zip(moved, shown, strict=True):
            truth = cv2.imread(str(truths[i]), cv2.IMREAD_UNCHANGED)
            known = truth < 11
            confusion += np.bincount(truth[known].astype(int) * 11 + labels[known], minlength=121)
        counts = confusion.reshape(11, 11)
        union = counts.sum(0) + counts.sum(1) - np.diag(counts)
        return float(np.mean(np.diag(counts)[union > 0] / union[union > 0]))

    looked = mean_iou([every[i] for i in moved])
    followed = mean_iou([scene.labels.map for scene in carried if scene.labels and scene.frame.carried])
    held = mean_iou([every[i - 1] for i in moved])
    assert looked - held > 0.03
    assert looked - followed < (looked - held) / 3


@pytest.mark.parametrize("word", ["-1", "101", "many"])
def test_a_wrong_number_is_refused(word: str, clip: Path) -> None:
    said = dashmask("run", clip, "--carry", word)
    assert said.code == 2
    assert "carry" in said.err
