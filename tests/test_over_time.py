"""What is kept from frame to frame: numbers of objects, steady labels and masks."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import dashmask
from numpy.typing import NDArray

import pipeline
from pipeline.config import RenderConfig, TrackConfig
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.records import encode_record, read_record
from pipeline.render import Renderer
from pipeline.track import Keys, OverTime
from pipeline.types import VOID, Classes, Frame, Instances, Labels, Scene, Truth

CLASSES = Classes(("road", "car"), ((120, 60, 120), (40, 80, 200)))
HW = (120, 160)
TEXTURE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (200, 400)).astype(np.uint8), (0, 0), 2)
TEXTURE = np.asarray(cv2.normalize(TEXTURE, TEXTURE.copy(), 40, 130, cv2.NORM_MINMAX), np.uint8)


def frame(index: int, shift: int = 0, name: str = "") -> Frame:
    """A textured picture that moves to the left by `shift` pixels."""
    grey = np.ascontiguousarray(TEXTURE[20 : 20 + HW[0], shift : shift + HW[1]])
    truth = Truth(name=name) if name else None
    return Frame(index, index, Fraction(1, 10), 0.0, Image((cv2.merge([grey] * 3),), "bgr24"), truth)


def square(x: int, y: int = 40, side: int = 40) -> NDArray[np.uint8]:
    labels = np.zeros(HW, np.uint8)
    labels[y : y + side, max(0, x) : x + side] = 1
    return labels


def labelled(index: int, labels: NDArray[np.uint8], shift: int = 0) -> Scene:
    return Scene(frame(index, shift), labels=Labels(labels, CLASSES))


def objects(*boxes: tuple[int, int, int, int], scores: tuple[float, ...] = ()) -> Instances:
    crops = np.array(boxes, np.int32).reshape(-1, 4)
    areas = [(y1 - y0) * (x1 - x0) for x0, y0, x1, y1 in crops.tolist()]
    return Instances(
        crops.astype(np.float32),
        np.array(scores or (0.9,) * len(boxes), np.float32),
        np.ones(len(boxes), np.int32),
        crops,
        np.full(sum(areas), 255, np.uint8),
        np.cumsum([0, *areas]),
        CLASSES,
    )


CPU = ("--backend", "onnxruntime-cpu")
STEADY = TrackConfig(smooth=True)
NUMBERED = TrackConfig(objects=True)


def test_a_wrong_answer_of_one_frame_is_not_seen() -> None:
    over_time = OverTime(STEADY, lambda: 0.25)
    wrong = square(60)
    wrong[60:70, 70:80] = 0  # a hole, for one frame
    shown = [over_time(labelled(i, wrong if i == 3 else square(60))).labels for i in range(6)]
    assert all((labels.map == square(60)).all() for labels in shown if labels is not None)


@pytest.mark.parametrize("carry", [0, 1])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 4), (4, 1), (2, 2)])
def test_the_smallest_objects_have_steady_masks_too(width: int, height: int, carry: int) -> None:
    over_time = OverTime(TrackConfig(objects=True, smooth=True, smooth_masks=True, carry=carry), lambda: 0.25)
    box = (60, 40, 60 + width, 40 + height)
    keys = Keys(TrackConfig(carry=carry, smooth=True))
    for i in range(4):
        marked = keys(frame(i)) if carry else frame(i)
        scene = over_time(
            Scene(marked) if marked.carried else Scene(marked, objects(box), Labels(square(60), CLASSES))
        )
        assert scene.instances is not None
        assert scene.instances.arena.tolist() == [255] * (width * height)


def test_what_stays_is_shown_from_its_second_frame_on() -> None:
    over_time = OverTime(STEADY, lambda: 0.25)
    films = [square(60) if i < 3 else square(60, y=50) for i in range(6)]
    shown = [over_time(labelled(i, labels)).labels for i, labels in enumerate(films)]
    assert [bool((s.map == square(60)).all()) for s in shown if s] == [True, True, True, True, False, False]
    assert shown[4] is not None
    assert (shown[4].map == films[4]).all()


def test_what_moves_with_the_picture_is_shown_where_it_is() -> None:
    over_time = OverTime(STEADY, lambda: 0.25)
    for i in range(8):
        truth = square(100 - 4 * i)
        noisy = truth.copy()
        if i % 3 == 2:
            noisy[44:76, 104 - 4 * i : 136 - 4 * i] = 0  # the object is missed in every third frame
        shown = over_time(labelled(i, noisy, shift=4 * i)).labels
        assert shown is not None
        assert (shown.map != truth).mean() < 0.01
        assert i % 3 != 2 or (noisy != truth).mean() > 0.04


def test_a_cut_is_shown_at_once() -> None:
    over_time = OverTime(STEADY, lambda: 0.25)
    over_time(labelled(0, square(60)))
    other = Frame(1, 1, Fraction(1, 10), 0.0, Image((220 - frame(1).image.planes[0] // 3,), "bgr24"))
    shown = over_time(Scene(other, labels=Labels(square(10, 10), CLASSES))).labels
    assert shown is not None
    assert (shown.map == square(10, 10)).mean() > 0.97


def test_frames_of_another_size_begin_anew() -> None:
    over_time = OverTime(STEADY, lambda: 0.25)
    over_time(labelled(0, square(60)))
    small = Frame(1, 1, Fraction(1, 10), 0.0, Image((np.zeros((60, 80, 3), np.uint8),), "bgr24"))
    labels = np.full((60, 80), VOID, np.uint8)
    shown = over_time(Scene(small, labels=Labels(labels, CLASSES))).labels
    assert shown is not None
    assert (shown.map == labels).all()


def test_objects_keep_their_numbers_and_faint_ones_are_shown_only_with_one() -> None:
    over_time = OverTime(NUMBERED, lambda: 0.25)
    boxes = [(10, 10, 40, 40), (80, 60, 120, 100), (130, 10, 150, 30)]
    films = [(0.9, 0.8), (0.8, 0.7), (0.8, 0.15, 0.12), (0.9, 0.8)]
    seen = [over_time(Scene(frame(i), objects(*boxes[: len(s)], scores=s))).instances for i, s in enumerate(films)]
    assert [found.track_ids.tolist() for found in seen if found and found.track_ids is not None] == [[1, 2]] * 4
    assert seen[2] is not None
    assert seen[2].boxes_xyxy.tolist() == [list(box) for box in boxes[:2]]
    assert seen[2].full_mask(1, HW).sum() == 40 * 40


def test_behind_a_gap_nothing_is_taken_for_what_was_there_before() -> None:
    """A camera that was away for minutes: another car stands where one stood, and the road looks otherwise."""
    box = (20, 20, 80, 80)
    everything = TrackConfig(objects=True, smooth=True, smooth_masks=True)
    over_time = OverTime(everything, lambda: 0.25)
    for i in range(4):
        over_time(Scene(frame(i), objects(box), Labels(square(60), CLASSES)))
    behind = Scene(replace(frame(4), gaps=1), objects(box), Labels(square(90), CLASSES))
    behind.instances.arena[:300] = 0  # type: ignore[union-attr]
    wanted = behind.instances.arena.copy(), behind.labels.map.copy()  # type: ignore[union-attr]
    shown = over_time(behind)
    assert shown.instances is not None
    assert shown.labels is not None
    assert shown.instances.track_ids.tolist() == [2]  # type: ignore[union-attr]
    assert (shown.instances.arena == wanted[0]).all()
    assert (shown.labels.map == wanted[1]).all()
    again = over_time(Scene(replace(frame(5), gaps=1), objects(box)))
    assert again.instances.track_ids.tolist() == [2]  # type: ignore[union-attr]


def test_a_mask_that_breaks_for_one_frame_stays_whole() -> None:
    over_time = OverTime(TrackConfig(objects=True, smooth_masks=True), lambda: 0.25)
    for i in range(5):
        found = objects((60, 40, 100, 80))
        if i == 3:
            found.arena.reshape(40, 40)[10:30, 10:30] = 0
        shown = over_time(Scene(frame(i), found)).instances
        assert shown is not None
        assert (shown.mask(0) == 255).all()
        assert i != 3 or (found.mask(0) == 0).any()  # the network's own masks are not written to


def test_films_and_sources_have_numbers_of_their_own() -> None:
    over_time = OverTime(NUMBERED, lambda: 0.25)
    for name in ("0001/000000", "0002/000000", "0001/000001"):
        shown = over_time(Scene(frame(int(name[-1]), name=name), objects((10, 10, 40, 40)))).instances
        assert shown is not None
        assert shown.track_ids is not None
        assert shown.track_ids.tolist() == [1]


def test_a_record_carries_the_number_and_gives_it_back() -> None:
    scene = OverTime(NUMBERED, lambda: 0.25)(Scene(frame(0), objects((10, 10, 40, 40))))
    line = encode_record(scene, timing=False)
    assert json.loads(line)["instances"][0]["track"] == 1
    back = read_record(line).instances
    assert back is not None
    assert back.track_ids is not None
    assert back.track_ids.tolist() == [1]
    assert b"track" not in encode_record(Scene(frame(0), objects((10, 10, 40, 40))), timing=False)


def test_each_number_has_a_colour_of_its_own_where_that_is_asked_for() -> None:
    found = objects((10, 10, 70, 100), (90, 10, 150, 100))
    tracked = OverTime(NUMBERED, lambda: 0.25)(Scene(frame(0), found))
    plain = RenderConfig(boxes=False, names=False, scores=False, legend=False, status=False, outlines=False, alpha=1)
    by_class = Renderer(plain, Pool).render(tracked).image
    coloured = RenderConfig(
        **{f: getattr(plain, f) for f in plain.__struct_fields__ if f != "colour_by"}, colour_by="track"
    )
    by_track = Renderer(coloured, Pool).render(tracked).image
    assert by_class is not None
    assert by_track is not None

    def apart(image: Image) -> int:
        bgr = image.bgr().astype(int)
        return int(np.abs(bgr[60, 40] - bgr[60, 120]).max())

    assert apart(by_track) > 60 > apart(by_class)


def test_a_run_writes_the_same_numbers_that_python_gets(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    words = ("--track", "--smooth", "--json", tmp_path / "o.jsonl", "--save", tmp_path / "o.mp4", "--no-timing")
    said = dashmask("run", clip, "-m", models[0], "-m", models[1], *words, *CPU)
    assert said.code == 0, said.err
    records = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [[one["track"] for one in record["instances"]] for record in records] == [[1, 2]] * 25
    with pipeline.open(clip, models, track={"objects": True, "smooth": True}, backend={"name": CPU[1]}) as scenes:
        for scene, record in zip(scenes, records, strict=True):
            assert json.loads(encode_record(scene, timing=False)) == record


def test_mots_files_follow_an_object_from_frame_to_frame(shared: Path, tmp_path: Path) -> None:
    clip, model = shared / "data/video/udacity_test_video.mp4", shared / "weights/yolo11n-seg.onnx"
    table = tmp_path / "table.yaml"
    table.write_text(
        "classes: [car, pedestrian]\n"
        "network: {car: car, person: pedestrian}\n"
        "dataset: {car: car, pedestrian: pedestrian}\n"
    )
    words = ("--write", "mots", "--out", tmp_path, "--source", clip, "-m", model, "--mapping", table, "--frames", 8)
    said = dashmask("export-predictions", *words, "--track", *CPU)
    assert said.code == 0, said.err
    lines = [line.split() for line in (tmp_path / "0000.txt").read_text().splitlines()]
    frames_of = {number: [int(line[0]) for line in lines if line[1] == number] for number in {x[1] for x in lines}}
    assert frames_of["1000"] == list(range(8))
    assert frames_of["1001"] == list(range(8))


@pytest.mark.parametrize("pair", ["track.confirm=1", "track.low=2", "track.objekts=true", "render.colour_by=id"])
def test_a_wrong_setting_is_named(pair: str, models: tuple[Path, Path], clip: Path) -> None:
    said = dashmask("run", clip, "-m", models[1], "--set", pair)
    assert said.code == 2
    assert pair.partition("=")[0].rpartition(".")[2] in said.err
