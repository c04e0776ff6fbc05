"""Records, masks and pictures on disk; outputs that cannot be written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from sinks_parts import HEIGHT, WIDTH, boxes, ground, in_child, picture

from pipeline.classes import DRIVING, LABEL_IDS
from pipeline.errors import SinkError
from pipeline.image import Image
from pipeline.records import read_records
from pipeline.report import write_report
from pipeline.sinks import SINKS, check_outputs, sink_class
from pipeline.sinks.jsonl import JsonlSink
from pipeline.sinks.masks import MaskSink
from pipeline.sinks.pictures import PictureSink
from pipeline.trace import Trace
from pipeline.types import Classes, Picture

# Records


def test_records_are_one_line_a_frame(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path / "run.jsonl")
    for index in (0, 1, 5):
        sink.write(picture(index, boxes([1], [(3, 4, 20, 30)]), ground()))
    assert not (tmp_path / "run.jsonl").exists()
    sink.close(whole=True)
    assert [record.index for record in read_records(tmp_path / "run.jsonl")] == [0, 1, 5]
    assert [path.name for path in tmp_path.iterdir()] == ["run.jsonl"]
    assert sink.notes == []


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("older\n")
    sink = JsonlSink(path)
    sink.write(picture())
    sink.close(whole=False)
    assert path.read_text() == "older\n"
    assert len(list(read_records(tmp_path / "run.partial.jsonl"))) == 1
    assert "run.partial.jsonl" in sink.notes[0]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "run.jsonl").symlink_to(tmp_path / "far" / "real.jsonl")
    sink = JsonlSink(tmp_path / "run.jsonl")
    sink.write(picture())
    sink.close(whole=True)
    assert (tmp_path / "run.jsonl").is_symlink()
    assert len(list(read_records(tmp_path / "far" / "real.jsonl"))) == 1


def test_a_device_that_is_full_keeps_nothing_and_claims_nothing() -> None:
    sink = JsonlSink(Path("/dev/full"))
    with pytest.raises(SinkError, match="/dev/full cannot be written: No space left") as caught:
        sink.write(picture())
    assert "kept" not in caught.value.message
    sink.close(whole=False)
    assert sink.notes == []


def test_two_runs_do_not_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    first = JsonlSink(path)
    first.write(picture(0))
    for kind in (JsonlSink, Trace):
        with pytest.raises(SinkError, match=r"run\.jsonl is being written by another run"):
            kind(path)
    first.write(picture(1))
    first.close(whole=True)
    assert [record.index for record in read_records(path)] == [0, 1]
    JsonlSink(path).close(whole=True)  # the next one may
    assert path.read_bytes() == b""


@pytest.mark.parametrize("write", [write_report, lambda path, _: Trace(path).close()])
def test_what_is_no_ordinary_file_stays_what_it_is(
    tmp_path: Path, write: Callable[[Path, dict[str, int]], None]
) -> None:
    pipe, link, target = tmp_path / "pipe", tmp_path / "link.json", tmp_path / "target.json"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        write(pipe, {"frames": 1})
        assert pipe.is_fifo()
        assert json.loads(os.read(reader, 10_000))
    finally:
        os.close(reader)
    link.symlink_to(target)
    write(link, {"frames": 1})
    assert link.is_symlink()
    assert json.loads(target.read_bytes())
    assert sorted(tmp_path.iterdir()) == [link, pipe, target]


def test_a_killed_run_leaves_whole_lines(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from test_sinks_files import *
sink = JsonlSink(Path(sys.argv[1]))
for index in range(50):
    sink.write(picture(index, None, ground()))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert in_child(code, str(tmp_path / "run.jsonl")).returncode == -9
    assert [record.index for record in read_records(tmp_path / "run.part.jsonl")] == list(range(50))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here, the disk that is always full")
def test_a_full_disk_is_a_plain_error() -> None:
    sink = JsonlSink(Path("/dev/full"))
    with pytest.raises(SinkError, match="No space left") as raised:
        sink.write(picture())
    assert "free some space" in raised.value.hint
    sink.close(whole=False)
    assert Path("/dev/full").is_char_device()


def test_a_device_is_written_to_as_it_is() -> None:
    sink = JsonlSink(Path(os.devnull))
    sink.write(picture())
    sink.close(whole=True)
    assert not Path(os.devnull).is_file()


FILL = """
import resource, sys
from pathlib import Path
from test_sinks_files import *
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
sink = {sink}
written = 0
try:
    for index in range(1000):
        sink.write(picture(index, boxes([1], [(3, 4, 20, 30)]), ground()))
        written += 1
except SinkError as error:
    print(written, error)
sink.close(whole=False)
"""


def test_records_that_no_longer_fit_end_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("older\n")
    child = in_child(FILL.format(sink="JsonlSink(Path(sys.argv[1]))"), str(path))
    assert child.returncode == 0, child.stderr
    written = int(child.stdout.split()[0])
    assert written > 3
    assert "cannot be written: File too large" in child.stdout
    assert len(list(read_records(tmp_path / "run.partial.jsonl"))) == written
    assert path.read_text() == "older\n"


def test_a_full_disk_of_masks_and_pictures_keeps_what_is_whole(tmp_path: Path) -> None:
    noise = (
        "Picture(picture().scene, Image((np.random.default_rng(0).integers(0, 255, (48, 64, 3), 'u1'),), 'bgr24'))"
    )
    code = f"""
import resource, sys
from pathlib import Path
from test_sinks_files import *
sink = PictureSink(Path(sys.argv[1]))
sink.write(picture(7))
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    sink.write({noise})
except SinkError as error:
    print(error)
"""
    child = in_child(code, str(tmp_path / "out"))
    assert "File too large" in child.stdout, child.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["000007.png"]


# Masks


def read(path: Path) -> np.ndarray:
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels


def test_label_masks_hold_the_models_own_classes(tmp_path: Path) -> None:
    sink = MaskSink(tmp_path / "new" / "masks")
    sink.write(picture(12, None, ground()))
    sink.close(whole=True)
    mask = read(tmp_path / "new/masks/labels/000012.png")
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, ground().map)
    legend = json.loads((tmp_path / "new/masks/classes.json").read_text())
    assert legend["labels"]["classes"][1] == {"id": 1, "name": "road", "colour": [128, 64, 128]}
    assert "instances" not in legend
    assert not (tmp_path / "new/masks/instances").exists()


def test_instance_masks_hold_class_and_rank_with_the_best_on_top(tmp_path: Path) -> None:
    sink = MaskSink(tmp_path)
    sink.write(picture(0, boxes([1, 0, 2], [(0, 0, 20, 20), (10, 10, 40, 40), (50, 0, 50, 9)]), ground()))
    mask = read(tmp_path / "instances/000000.png")
    truth = np.zeros((HEIGHT, WIDTH), np.uint16)
    truth[10:40, 10:40] = 2
    truth[:20, :20] = 1001
    assert mask.dtype == np.uint16
    assert np.array_equal(mask, truth)
    legend = json.loads((tmp_path / "classes.json").read_text())
    assert legend["instances"]["divisor"] == 1000
    assert set(legend) == {"ids", "labels", "instances"}


def test_classes_that_a_thousand_does_not_fit_are_multiples_of_256(tmp_path: Path) -> None:
    many = Classes(tuple(f"c{i}" for i in range(80)), ((0, 0, 0),) * 80)
    crops = [(0, 0, 4, 4)] * 300
    crops[0] = (30, 30, 40, 40)
    sink = MaskSink(tmp_path)
    sink.write(picture(0, boxes([79] * 300, crops, many)))
    sink.close(whole=True)
    mask = read(tmp_path / "instances/000000.png")
    assert mask[35, 35] // 256 == 79
    assert mask[35, 35] % 256 == 1
    assert json.loads((tmp_path / "classes.json").read_text())["instances"]["divisor"] == 256
    assert "45 objects did not fit" in sink.notes[0]


@pytest.mark.parametrize("ids", ["trainId", "labelId"])
def test_masks_can_have_cityscapes_numbers(tmp_path: Path, ids: str) -> None:
    number = {name: i if ids == "trainId" else LABEL_IDS[i] for i, name in enumerate(DRIVING.names)}
    nothing = 255 if ids == "trainId" else 0
    sink = MaskSink(tmp_path, ids)  # type: ignore[arg-type]
    sink.write(picture(0, boxes([2, 1, 0], [(0, 0, 9, 9), (0, 0, 20, 20), (40, 0, 50, 9)]), ground()))
    labels, instances = read(tmp_path / "labels/000000.png"), read(tmp_path / "instances/000000.png")
    assert [labels[y, 0] for y in (0, 15, 25, 42)] == [number["sky"], nothing, number["road"], nothing]
    assert instances[0, 0] == number["car"] * 1000 + 2  # the kite in front of it has no number
    assert instances[0, 45] == number["person"] * 1000 + 3
    assert f"no {ids}: river" in sink.notes[0]
    legend = json.loads((tmp_path / "classes.json").read_text())
    assert [row["id"] for row in legend["labels"]["classes"]] == [number["sky"], number["road"], None]


# Pictures


def test_pictures_keep_their_transparency(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 4)).astype(np.uint8)
    pixels[:, :32, 3] = 0
    cutout = picture(3, image=Image((pixels,), "bgra32"))
    PictureSink(tmp_path).write(cutout)
    assert np.array_equal(read(tmp_path / "000003.png"), pixels)


def test_planar_pictures_are_written_in_colour(tmp_path: Path) -> None:
    red = Image(
        (
            np.full((HEIGHT, WIDTH), 81, np.uint8),
            np.full((HEIGHT // 2, WIDTH // 2), 90, np.uint8),
            np.full((HEIGHT // 2, WIDTH // 2), 240, np.uint8),
        ),
        "yuv420p",
    )
    PictureSink(tmp_path).write(picture(0, image=red))
    assert np.abs(read(tmp_path / "000000.png").astype(int) - [0, 0, 255]).max() <= 2


def test_a_picture_that_was_not_drawn_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not drawn"):
        PictureSink(tmp_path).write(Picture(picture().scene, None))


# What may be written where


def test_good_outputs_pass(tmp_path: Path) -> None:
    clip = tmp_path / "in.mp4"
    clip.touch()
    (tmp_path / "old.mp4").touch()
    check_outputs(clip, [tmp_path / "old.mp4", tmp_path / "run.jsonl"], [tmp_path / "a/b/masks", tmp_path])
    check_outputs("rtsp://camera/1", [tmp_path / "x.mp4"])
    check_outputs(None, [os.devnull])


@pytest.mark.parametrize(
    ("source", "files", "folders", "says"),
    [
        ("in.mp4", ["in.mp4"], [], "is what is read"),
        ("in.mp4", ["d/../in.mp4"], [], "is what is read"),
        ("in.mp4", ["link.mp4"], [], "is what is read"),
        ("in.mp4", ["none/out.mp4"], [], "there is no folder .*none"),
        ("in.mp4", ["d"], [], "is a folder"),
        ("in.mp4", ["in.mp4/out.mp4"], [], "there is no folder"),
        ("in.mp4", ["a.mp4", "d/../a.mp4"], [], "asked for twice"),
        ("in.mp4", ["x" * 300], [], "File name too long"),
        ("in.mp4", [], ["in.mp4"], "is a file, expected a folder"),
        ("in.mp4", [], ["in.mp4/masks"], "is a file, expected a folder"),
        ("in.mp4", [], ["m", "m"], "asked for twice"),
        ("d", [], ["d"], "is what is read"),
        ("d/*.png", [], ["d"], "is what is read"),
        ("d/000000.png", [], ["d"], "is what is read"),
    ],
)
def test_bad_outputs_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    files: list[str],
    folders: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "000000.png").touch()
    (tmp_path / "in.mp4").touch()
    (tmp_path / "link.mp4").symlink_to("in.mp4")
    with pytest.raises(SinkError, match=says):
        check_outputs(source, files, folders)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without rights: run as root")
def test_a_folder_without_rights_is_named(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from test_sinks_files import *
folder = Path(sys.argv[1])
os.setuid(65534)
for attempt in (
    lambda: check_outputs(None, [folder / "o.mp4"]),
    lambda: check_outputs(None, [], [folder / "masks"]),
    lambda: JsonlSink(folder / "o.jsonl"),
    lambda: MaskSink(folder / "masks"),
    lambda: PictureSink(folder / "pictures"),
):
    try:
        attempt()
    except SinkError as error:
        print(error)
"""
    child = in_child(code, "/")
    assert len(child.stdout.splitlines()) == 5, child.stdout + child.stderr
    assert all(line.startswith("/") for line in child.stdout.splitlines())


def test_every_line_of_the_table_is_there() -> None:
    assert {name: sink_class(name).__name__ for name in SINKS} == {
        name: target.partition(":")[2] for name, target in SINKS.items()
    }
    with pytest.raises(KeyError):
        sink_class("tape")


def test_the_table_imports_nothing_heavy() -> None:
    code = "import sys, pipeline.sinks; print(*(m for m in ('cv2', 'av', 'numpy') if m in sys.modules))"
    assert in_child(code).stdout.strip() == ""
