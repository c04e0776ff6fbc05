"""Images as a sequence in time: folders, globs, KITTI drives, and what is in them that is no image."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import bars, read_bars, scene

from pipeline.errors import SourceError
from pipeline.records import encode_record
from pipeline.sources import SourceOptions, notes_of, open_source
from pipeline.types import Frame, Scene


def read(path: Path | str, **options: float) -> list[Frame]:
    with open_source(str(path), SourceOptions(**options)) as frames:  # type: ignore[arg-type]
        return list(frames)


def numbers(frames: list[Frame]) -> list[int]:
    return [read_bars(frame.image.bgr()) for frame in frames]


def folder_of(folder: Path, names: list[str]) -> Path:
    """Picture number i under the i-th name."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), bars(number))
    return folder


def refusal(spec: Path | str, **options: float) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(spec, **options)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


# real footage


def test_the_camvid_film_is_a_sequence_of_its_pngs(shared: Path) -> None:
    folder = shared / "data/camvid/CamVid/val"
    paths = sorted(folder.glob("*.png"))
    source = open_source(str(folder), SourceOptions(fps=15))
    with source as frames:
        for frame, path in zip(frames, paths, strict=True):
            assert frame.pts * frame.time_base == Fraction(frame.index, 15)
            if frame.index % 20 == 0:
                assert np.array_equal(frame.image.bgr(), cv2.imread(str(path)))
    assert source.info.frames == 101
    assert source.info.size_hw == (360, 480)
    assert source.info.fps == 15


def test_bdd100k_stills_come_at_ten_a_second_unless_told_otherwise(shared: Path) -> None:
    frames = read(shared / "data/bdd100k-images/images/100k")
    assert len(frames) == 13
    assert [frame.pts_s for frame in frames] == pytest.approx([n / 10 for n in range(13)])
    assert {frame.image.size_hw for frame in frames} == {(720, 1280)}


def test_kitti_road_images_of_changing_size_are_one_sequence(shared: Path) -> None:
    sizes = [frame.image.size_hw for frame in read(shared / "data/kitti-road/training/image_2")]
    assert len(sizes) == 11
    assert all(370 <= height <= 376 and 1224 <= width <= 1242 for height, width in sizes)


# order and selection


def test_two_comes_before_ten(tmp_path: Path) -> None:
    names = ["b1c6-0000001.jpg", "b1c6-0000002.jpg", "b1c6-0000010.jpg", "b1c6-0000100.jpg"]
    assert numbers(read(folder_of(tmp_path / "bdd", names))) == [0, 1, 2, 3]
    plain = folder_of(tmp_path / "plain", ["f2.png", "f9.png", "f10.png", "f100.png"])
    assert numbers(read(plain)) == numbers(read(f"{plain}/f*.png")) == [0, 1, 2, 3]


def test_a_folder_a_glob_and_a_single_image(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "deep" / "er", ["a0.png", "a1.png", "a2.jpg"])
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_text("no image")
    (folder / "a9.png").mkdir()
    assert numbers(read(folder)) == [0, 1, 2]
    assert numbers(read(f"{folder}/*.png")) == [0, 1]
    assert numbers(read(f"{tmp_path}/**/a2.jpg")) == [2]
    alone = read(folder / "a1.png")
    assert numbers(alone) == [1]
    assert alone[0].pts == 0
    assert alone[0].name == ""  # its source says it


def test_frames_say_which_image_they_are_and_so_do_their_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "drive", ["a0.png", "a1.png", "a2.jpg"])
    (folder / "a1.png").write_text("broken: what comes behind is not the image of its index")
    folder_of(tmp_path / "other", ["b.png"])
    assert [json.loads(encode_record(Scene(frame)))["image"] for frame in read(folder)] == ["a0.png", "a2.jpg"]
    assert [frame.name for frame in read(f"{tmp_path}/*/*.png")] == ["drive/a0.png", "other/b.png"]
    os.rename(folder / "a2.jpg", os.fsencode(folder) + b"/\xff.jpg")  # no UTF-8
    monkeypatch.chdir(folder)
    assert [json.loads(encode_record(Scene(frame)))["image"] for frame in read("*.*g")] == ["a0.png", "\ufffd.jpg"]


def test_a_glob_that_is_also_a_name_means_the_name(tmp_path: Path) -> None:
    folder_of(tmp_path / "run[1]", ["a.png", "b.png"])
    assert numbers(read(tmp_path / "run[1]")) == [0, 1]
    assert numbers(read(tmp_path / "run[1]/b.png")) == [1]


def test_every_depth_and_kind_of_image_comes_as_bgr24(tmp_path: Path) -> None:
    picture = scene(3)
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    alpha = cv2.merge([*cv2.split(picture), np.full_like(grey, 9)])
    for name, stored, truth in (
        ("colour.png", picture, picture),
        ("deep.png", picture.astype(np.uint16) * 257, picture),
        ("deep.tiff", picture.astype(np.uint16) * 257, picture),
        ("grey.png", grey, cv2.merge([grey] * 3)),
        ("deep_grey.png", grey.astype(np.uint16) * 257, cv2.merge([grey] * 3)),
        ("alpha.png", alpha, picture),
        ("colour.bmp", picture, picture),
        ("colour.webp", picture, picture),
        ("colour.ppm", picture, picture),
    ):
        cv2.imwrite(str(tmp_path / name), stored, [cv2.IMWRITE_WEBP_QUALITY, 101] if "webp" in name else [])
        image = read(tmp_path / name)[0].image
        assert image.format == "bgr24"
        assert image.planes[0].dtype == np.uint8
        assert not image.planes[0].flags.writeable
        assert np.abs(image.bgr().astype(int) - truth).max() <= 1, name


def test_a_photograph_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", scene(1), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    orientation = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # 6: a quarter clockwise
    segment = b"\xff\xe1" + (len(orientation) + 2).to_bytes(2, "big") + orientation
    (tmp_path / "a.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
    shown = read(tmp_path / "a.jpg")[0].image.bgr()
    assert shown.shape == (128, 96, 3)
    assert np.abs(shown - np.rot90(scene(1), -1).astype(int)).mean() < 5


# times

KITTI_TIMES = [
    "2011-09-26 13:02:25.964389445",
    "2011-09-26 13:02:26.067793000",
    "2011-09-26 13:02:26.171282001",
    "2011-09-26 13:03:00.000000000",
]


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A KITTI drive as the raw data set lays it out."""
    drive = tmp_path / "2011_09_26" / "2011_09_26_drive_0001_sync"
    for camera in ("image_02", "image_03"):
        folder_of(drive / camera / "data", [f"{n:010}.png" for n in range(4)])
        (drive / camera / "timestamps.txt").write_text("\n".join(KITTI_TIMES) + "\n")
    return drive


@pytest.mark.parametrize("inside", ["", "image_02", "image_02/data", "image_02/data/*.png"])
def test_a_kitti_drive_keeps_its_times_to_the_nanosecond(drive: Path, inside: str) -> None:
    source = open_source(str(drive / inside), SourceOptions(fps=3))  # the real times count
    with source as frames:
        seen = list(frames)
    assert [frame.pts for frame in seen] == [0, 103_403_555, 206_892_556, 34_035_610_555]
    assert {frame.time_base for frame in seen} == {Fraction(1, 10**9)}
    assert numbers(seen) == [0, 1, 2, 3]
    assert source.info.fps == pytest.approx(3 / 34.035610555)
    assert "keep their own" in notes_of(source)[0]  # it is said that 3 does nothing


def test_an_image_missing_from_a_drive_does_not_move_the_others_in_time(drive: Path) -> None:
    (drive / "image_02/data/0000000001.png").unlink()
    assert [frame.pts for frame in read(drive)] == [0, 206_892_556, 34_035_610_555]


def test_starting_later_keeps_the_times(drive: Path) -> None:
    late = read(drive, start_s=0.2)
    assert [frame.pts for frame in late] == [206_892_556, 34_035_610_555]
    assert [frame.index for frame in late] == [0, 1]
    assert "34.0356" in refusal(drive, start_s=40).message


def test_kitti_odometry_times_are_seconds(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "00" / "image_2", [f"{n:06}.png" for n in range(3)])
    (tmp_path / "00/times.txt").write_text("0.000000e+00\n1.037359e-01\n2.074731e-01\n")
    assert [frame.pts for frame in read(folder)] == [0, 103_735_900, 207_473_100]


def test_times_that_do_not_fit_the_images_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "data", ["a.png", "b.png", "c.png"])
    (tmp_path / "timestamps.txt").write_text("1.0\n2.0\n")
    assert "2 times for 3 images" in refusal(folder).message
    zone = "2011-09-26 13:02:25+02:00\n1\n2\n"
    for nonsense in ("yesterday\n1.0\n2.0\n", "2011-09-26 25:02:00\n1\n2\n", "inf\n1\n2\n", "nan\n1\n2\n", zone):
        (tmp_path / "timestamps.txt").write_text(nonsense)
        assert "something else than times" in refusal(folder).message


# what is broken


def test_images_that_cannot_be_read_are_left_out_and_counted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(tmp_path, [f"{n}.{kind}" for n, kind in enumerate(["png", "jpg"] * 5)])
    for number, keep in ((2, 60), (3, 300), (5, 0), (6, 30)):
        path = next(folder.glob(f"{number}.*"))
        path.write_bytes(path.read_bytes()[:keep])
    (folder / "8.png").write_text("an error page")
    source = open_source(str(folder))
    with source as frames:
        seen = list(frames)
    assert numbers(seen) == [0, 1, 4, 7, 9]
    assert [frame.index for frame in seen] == list(range(5))
    assert [frame.pts_s for frame in seen] == pytest.approx([0, 0.1, 0.4, 0.7, 0.9])
    assert source.undecodable == 5
    assert capfd.readouterr().err == ""


def test_an_image_that_is_cut_off_is_not_shown_with_grey_for_the_rest(tmp_path: Path) -> None:
    path = folder_of(tmp_path, ["a.jpg"]) / "a.jpg"
    whole = path.read_bytes()
    preview = b"\xff\xe1\x00\x0a" + b"\xff\xd8\xff\xd9\0\0\0\0"  # metadata that holds a JPEG of its own
    path.write_bytes(whole[:2] + preview + whole[2 : len(whole) * 3 // 4])
    assert "a.jpg cannot be read" in refusal(path).message
    path.write_bytes(whole[:2] + preview + whole[2:] + b"\0" * 40)  # padding behind the end does no harm
    assert numbers(read(path)) == [0]


def test_where_there_is_no_image_one_sentence_says_so(tmp_path: Path, drive: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("no image")
    assert "has no images in it" in refusal(tmp_path / "empty").message
    assert "2011_09_26_drive_0001_sync" in refusal(drive.parent).hint  # which folder might be meant
    assert "matches no image" in refusal(f"{tmp_path}/*.jpg").message
    assert "no such file" in refusal(tmp_path / "missing.png").message
    assert "text.png cannot be read" in refusal(tmp_path / "text.png").message
