"""Data sets: the official layouts are read as their authors meant them, and whatever is wrong is named."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from label_files import GREY, HW, IDS, png, write
from numpy.typing import NDArray

from pipeline.classes import DRIVING
from pipeline.datasets import DATASETS, open_dataset
from pipeline.datasets.camvid import CAMVID
from pipeline.errors import DataError, UserError
from pipeline.image import Image
from pipeline.sources.demo import Demo
from pipeline.types import VOID, Frame, Labels, Truth


def camvid(root: Path, labels: NDArray[Any] = IDS, name: str = "0016E5_00390") -> Path:
    write(root / "val" / f"{name}.png", GREY)
    write(root / "valannot" / f"{name}.png", labels)
    return root


@pytest.mark.parametrize("name", DATASETS)
def test_every_line_of_the_table_is_there_and_refuses_an_empty_folder_in_words(name: str, tmp_path: Path) -> None:
    module, kind = DATASETS[name].split(":")
    assert isinstance(getattr(importlib.import_module(module), kind), type)
    with pytest.raises(DataError) as caught:
        open_dataset(name, tmp_path, {"kitti-semantic": "training"}.get(name, "train"))
    assert caught.value.hint


def test_an_unknown_data_set_split_or_option_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean camvid"):
        open_dataset("camvd", tmp_path, "val")
    with pytest.raises(DataError, match=r"'valid'.*train, val, test"):
        open_dataset("camvid", tmp_path, "valid")
    with pytest.raises(DataError, match="did you mean films"):
        open_dataset("camvid", camvid(tmp_path), "val", film=("0016E5",))
    with pytest.raises(DataError, match="twice"):
        open_dataset("camvid", tmp_path, "val+val")
    with pytest.raises(DataError, match=r"films: expected `array`, got `str`.*'0016E5'"):
        open_dataset("camvid", tmp_path, "val", films="0016E5")


def test_hidden_files_and_what_is_no_image_are_not_looked_at(tmp_path: Path) -> None:
    camvid(tmp_path)
    for name in ("val/.DS_Store", "val/._0016E5_00390.png", "val/readme.txt", "valannot/Thumbs.db"):
        (tmp_path / name).write_text("no image")
    assert len(open_dataset("camvid", tmp_path, "val")) == 1


def test_camvid_keeps_its_ids_and_its_eleven_is_void(tmp_path: Path) -> None:
    sample = open_dataset("camvid", camvid(tmp_path), "val")[0]
    assert sample.name == "0016E5_00390"
    assert np.array_equal(sample.labels[IDS != 11], IDS[IDS != 11])
    assert (sample.labels[IDS == 11] == VOID).all()
    assert (len(CAMVID), CAMVID.names[0], CAMVID.names[10]) == (11, "Sky", "Bicyclist")


def test_films_are_chosen_and_left_out(tmp_path: Path) -> None:
    for name in ("0001TP_006690", "0006R0_f00930", "0016E5_00390"):
        camvid(tmp_path, name=name)
    data: Any = open_dataset("camvid", tmp_path, "val", without_films=("0006R0",))
    assert data.films == ("0001TP", "0016E5")
    assert open_dataset("camvid", tmp_path, "val", films=("0006R0",)).names == ("0006R0_f00930",)
    with pytest.raises(DataError, match="Seq05VD"):
        open_dataset("camvid", tmp_path, "val", films=("Seq05",))
    with pytest.raises(DataError, match="films asked for"):
        open_dataset("camvid", tmp_path, "val", films=("Seq05VD",))


def test_several_splits_are_one_data_set(tmp_path: Path) -> None:
    camvid(tmp_path)
    write(tmp_path / "train" / "0001TP_006690.png", GREY)
    write(tmp_path / "trainannot" / "0001TP_006690.png", IDS)
    data = open_dataset("camvid", tmp_path, "train+val")
    assert data.names == ("0001TP_006690", "0016E5_00390")
    with pytest.raises(IndexError):
        data[2]
    assert [sample.name for sample in data] == list(data.names)  # type: ignore[attr-defined]


def test_what_has_no_partner_is_named_or_left_out_with_its_name(tmp_path: Path) -> None:
    camvid(tmp_path)
    write(tmp_path / "val" / "0016E5_00400.png", GREY)
    write(tmp_path / "valannot" / "0016E5_00410.png", IDS)
    with pytest.raises(
        DataError, match=r"images without a label: 0016E5_00400.png; .*image: 0016E5_00410.png.*--strict"
    ):
        open_dataset("camvid", tmp_path, "val")
    data = open_dataset("camvid", tmp_path, "val", strict=False)
    assert len(data) == 1
    assert [one.name for one in data.left_out] == ["0016E5_00400.png", "0016E5_00410.png"]


def test_a_folder_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match=r"val is not there.*folders images"):
        open_dataset("camvid", tmp_path, "val")


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "other size": (lambda p: write(p, IDS[:, :4]), "is 8x6, its label 0016E5_00390.png 4x6"),
    "out of range": (lambda p: write(p, IDS + np.uint8(3)), r"out of range: 12, 13, 14.*0\.\.11, 255"),
    "16 bit out of range": (lambda p: write(p, IDS.astype(np.uint16) * 1000), "out of range: 1000"),
    "colours": (lambda p: write(p, GREY), "3 channels"),
    "palette": (lambda p: png(p, IDS, colour_type=3, palette=bytes(36)), "palette"),
    "cut off": (lambda p: p.write_bytes(p.read_bytes()[:-20]), "cut off"),
    "a bit turned": (lambda p: p.write_bytes(p.read_bytes()[:45] + b"\xff\0" + p.read_bytes()[47:]), "checksum"),
    "empty": (lambda p: p.write_bytes(b""), "empty"),
    "text": (lambda p: p.write_text("labels"), "cannot be decoded"),
    "a JPEG under another name": (lambda p: p.write_bytes(cv2.imencode(".jpg", IDS)[1].tobytes()), "JPEG"),
    "a folder": (lambda p: (p.unlink(), p.mkdir()), "cannot be read"),
    "gone": (lambda p: p.unlink(), "cannot be read"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_label_is_named_with_what_is_wrong(how: str, tmp_path: Path) -> None:
    data = open_dataset("camvid", camvid(tmp_path), "val")
    breaks, says = BROKEN[how]
    breaks(tmp_path / "valannot" / "0016E5_00390.png")
    with pytest.raises(DataError, match=says) as caught:
        data[0]
    assert "0016E5_00390.png" in caught.value.message


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    data = open_dataset("camvid", camvid(tmp_path), "val")
    image = tmp_path / "val" / "0016E5_00390.png"
    image.write_bytes(image.read_bytes()[:-16])
    with pytest.raises(DataError, match="cut off"):
        data[0]
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    image.write_bytes(jpeg[: len(jpeg) // 2])
    with pytest.raises(DataError, match="JPEG data has no end"):
        data[0]


def test_label_ids_become_the_driving_classes_and_the_rest_void(tmp_path: Path) -> None:
    ids = np.array([[7, 8, 11, 33, 26, 0, 9, 29, 30, 255]], np.uint8)
    wanted = [0, 1, 2, 18, 13, VOID, VOID, VOID, VOID, VOID]
    image = np.zeros((1, 10, 3), np.uint8)
    write(tmp_path / "training/image_2/000000_10.png", image)
    write(tmp_path / "training/semantic/000000_10.png", ids)
    name = "aachen/aachen_000000_000019"
    write(tmp_path / f"leftImg8bit/val/{name}_leftImg8bit.png", image)
    write(tmp_path / f"gtFine/val/{name}_gtFine_instanceIds.png", ids.astype(np.uint16) * 1000)
    write(tmp_path / f"gtFine/val/{name}_gtFine_labelTrainIds.png", np.zeros_like(ids))
    write(tmp_path / f"gtFine/val/{name}_gtFine_labelIds.png", ids)
    for data in (open_dataset("kitti-semantic", tmp_path, "training"), open_dataset("cityscapes", tmp_path, "val")):
        assert data[0].labels.tolist() == [wanted]
        assert data.classes is DRIVING
    assert data.names == (name,)
    (tmp_path / f"gtFine/val/{name}_gtFine_labelIds.png").unlink()
    assert open_dataset("cityscapes", tmp_path, "val")[0].labels.tolist() == [[0] * 10]


def test_bdd100k_stores_train_ids(tmp_path: Path) -> None:
    write(tmp_path / "images/10k/val/7d2f7975-e0c1c5a7.jpg", np.zeros((1, 3, 3), np.uint8))
    write(tmp_path / "labels/sem_seg/masks/val/7d2f7975-e0c1c5a7.png", np.array([[0, 18, 255]], np.uint8))
    assert open_dataset("bdd100k", tmp_path, "val")[0].labels.tolist() == [[0, 18, VOID]]
    write(tmp_path / "labels/sem_seg/masks/val/7d2f7975-e0c1c5a7.png", np.array([[0, 19, 255]], np.uint8))
    with pytest.raises(DataError, match="out of range: 19"):
        open_dataset("bdd100k", tmp_path, "val")[0]


def drawn(count: int, truth: bool = True) -> Iterator[Frame]:
    for index in range(count):
        labels = np.full(HW, index % 19, np.uint8)
        image = Image((np.full((*HW, 3), index, np.uint8),), "bgr24")
        yield Frame(index, index, Fraction(1, 10), 0.0, image, Truth(Labels(labels, DRIVING)) if truth else None)


def test_drawn_scenes_are_kept_and_the_same_every_time() -> None:
    data = open_dataset("demo", "", "", frames=drawn(5), count=5)
    for index in (3, 0, 4, 3):
        assert (data[index].image == index).all()
        assert (data[index].labels == index).all()
    with pytest.raises(IndexError):
        data[5]
    with pytest.raises(DataError, match="only 2 of 5"):
        open_dataset("demo", "", "", frames=drawn(2), count=5)[4]
    with pytest.raises(DataError, match="no labels of the driving classes"):
        open_dataset("demo", "", "", frames=drawn(2, truth=False), count=2)[0]


def test_drawn_scenes_are_what_the_demo_draws() -> None:
    with Demo(7, 2, (48, 64)) as first, Demo(7, 2, (48, 64)) as again:
        data = open_dataset("demo", "", "", frames=first, count=2)
        for sample, frame in zip((data[0], data[1]), again, strict=True):
            assert frame.truth is not None
            assert frame.truth.labels is not None
            assert np.array_equal(sample.image, frame.image.bgr())
            assert np.array_equal(sample.labels, frame.truth.labels.map)


@pytest.mark.parametrize(
    ("name", "folder", "split", "count", "classes"),
    [
        ("camvid", "camvid", "train", 367, 11),
        ("camvid", "camvid/CamVid", "val", 101, 11),
        ("idd-lite", "idd-lite", "train", 1403, 7),
        ("idd-lite", "idd-lite/idd20k_lite", "val", 204, 7),
        ("kitti-semantic", "kitti-semantics", "training", 5, 19),
    ],
)
def test_the_real_data_sets_are_whole(
    shared: Path, name: str, folder: str, split: str, count: int, classes: int
) -> None:
    data = open_dataset(name, shared / "data" / folder, split)
    assert (len(data), len(set(data.names)), len(data.left_out)) == (count, count, 0)
    seen: set[int] = set()
    for index in range(0, count, 1 if count < 300 else 9):
        sample = data[index]
        assert sample.image.shape == (*sample.labels.shape, 3)
        seen |= set(np.flatnonzero(np.bincount(sample.labels.ravel(), minlength=256)).tolist())
    assert seen == {*range(classes), VOID}


def test_the_film_of_every_camvid_image_is_known(shared: Path) -> None:
    data: Any = open_dataset("camvid", shared / "data/camvid", "train+val")
    assert {film: data.films.count(film) for film in set(data.films)} == {"0001TP": 62, "0006R0": 101, "0016E5": 305}


def test_foreign_fixtures_are_read_or_refused_for_what_they_are(shared: Path) -> None:
    fixtures = shared / "data/format-fixtures"
    with pytest.raises(DataError, match="3 channels"):  # CamVid's layout, in colours
        open_dataset("camvid", fixtures / "camvid_dataset", "val")[0]
    colours = ((64, 128, 64), (192, 128, 64))
    options = {"images": "{split}", "masks": "{split}annot", "encoding": "colours"}
    data = open_dataset(
        "folders", fixtures / "camvid_dataset", "val", classes=("Animal", "Child"), colours=colours, **options
    )
    assert data[0].labels.tolist() == [[0, 0, 0, 1, 1]]
    cityscapes = fixtures / "cityscapes_dataset"
    with pytest.raises(DataError, match=r"images without a label.*nothing is left"):  # instanceIds only
        open_dataset("cityscapes", cityscapes / "dataset", "val")
    data = open_dataset("cityscapes", cityscapes / "train_dataset", "test")
    assert data.names == ("defaultcity/defaultcity_000001_000031", "defaultcity/defaultcity_000001_000032")
    with pytest.raises(DataError, match="out of range: 19"):  # 19 is no trainId
        data[0]
    with pytest.raises(DataError, match=r"semantic is not there.*image_2, instance"):
        open_dataset("kitti-semantic", fixtures / "kitti_dataset/kitti_segmentation", "training")


def test_a_data_error_is_one_that_a_user_can_mend() -> None:
    assert issubclass(DataError, UserError)
