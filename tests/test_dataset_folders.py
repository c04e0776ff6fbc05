"""Folders of images and masks: every way to store a mask, and what is said of one that is stored differently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import GREY, IDS, png, write
from numpy.typing import NDArray

from pipeline.datasets import open_dataset
from pipeline.errors import DataError
from pipeline.types import VOID, Classes


def folders(root: Path, mask: NDArray[Any], names: str = "") -> Path:
    write(root / "images" / "a.png", GREY)
    write(root / "masks" / "a.png", mask)
    if names:
        (root / "classes.txt").write_text(names)
    return root


def test_any_folder_of_ids_is_a_data_set(tmp_path: Path) -> None:
    data = open_dataset("folders", folders(tmp_path, IDS % 3, "grass\ntraffic light\nsky\n"), "all")
    assert data.classes.names == ("grass", "traffic light", "sky")
    assert data.classes.colours[1] == (250, 170, 30)
    assert np.array_equal(data[0].labels, IDS % 3)
    with pytest.raises(DataError, match="out of range: 2"):
        open_dataset("folders", tmp_path, "all", classes=("a", "b"))[0]


def test_a_class_list_may_be_written_on_windows(tmp_path: Path) -> None:
    data = open_dataset("folders", folders(tmp_path, IDS % 3, "\ufeffgrass\r\ntraffic light\r\nsky\r\n"), "all")
    assert data.classes.names == ("grass", "traffic light", "sky")


@pytest.mark.parametrize("layout", ["images/train", "train/images"])
def test_the_split_is_a_folder_inside_or_around(layout: str, tmp_path: Path) -> None:
    write(tmp_path / layout / "a.jpg", GREY)
    write(tmp_path / layout.replace("images", "masks") / "a_mask.png", IDS % 2 * 255)
    data = open_dataset("folders", tmp_path, "train", encoding="binary", mask_ending="_mask")
    assert data.names == ("a",)
    assert data.classes.names == ("background", "object")
    assert np.array_equal(data[0].labels, IDS % 2)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_the_indices_of_a_palette_are_the_ids_whatever_its_colours(depth: int, tmp_path: Path) -> None:
    ids = IDS % min(1 << depth, 12)
    folders(tmp_path, IDS)
    png(tmp_path / "masks" / "a.png", ids, colour_type=3, depth=depth, palette=bytes(range(48))[: 3 << depth])
    data = open_dataset("folders", tmp_path, "all", encoding="palette", classes=[f"c{i}" for i in range(12)])
    assert np.array_equal(data[0].labels, ids)
    write(tmp_path / "masks" / "a.png", IDS)
    with pytest.raises(DataError, match="has no palette"):
        data[0]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_grey_of_few_bits_is_not_stretched(depth: int, tmp_path: Path) -> None:
    ids = IDS % min(1 << depth, 12)
    folders(tmp_path, IDS)
    png(tmp_path / "masks" / "a.png", ids, colour_type=0, depth=depth)
    data = open_dataset("folders", tmp_path, "all", classes=[f"c{i}" for i in range(12)])
    assert np.array_equal(data[0].labels, ids)


def test_a_binary_mask_holds_only_two_values(tmp_path: Path) -> None:
    data = open_dataset("folders", folders(tmp_path, IDS), "all", encoding="binary")
    with pytest.raises(DataError, match=r"0 and 255, found 1, 2.*encoding=ids"):
        data[0]


def test_colours_are_classes_by_their_table(tmp_path: Path) -> None:
    table = {"road": (128, 64, 128), "sky": (70, 130, 180), "car": (0, 0, 142)}
    rgb = np.array([*table.values(), (0, 0, 0)], np.uint8)[IDS % 4]
    names = "".join(f"{name} {r} {g} {b}\n" for name, (r, g, b) in table.items())
    folders(tmp_path, rgb[..., ::-1], f"{names}void 0 0 0\n")
    data = open_dataset("folders", tmp_path, "all", encoding="colours")
    assert data.classes == Classes(tuple(table), tuple(table.values()))
    assert np.array_equal(data[0].labels, np.array([0, 1, 2, VOID])[IDS % 4])
    (tmp_path / "classes.txt").write_text(names)
    with pytest.raises(DataError, match=r"of no class: \(0, 0, 0\)"):
        open_dataset("folders", tmp_path, "all", encoding="colours")[0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"encoding": "rgb"}, "ids, palette, binary, colours"),
        ({}, "classes.txt cannot be read"),
        ({"classes": ("a", "a")}, "the class 'a' is there twice"),
        ({"classes": tuple(map(str, range(254)))}, r"254 classes \(a mask can hold 253 at most\)"),
        ({"classes": ("a", "b"), "encoding": "colours"}, "a different colour for each"),
        ({"classes": ("a", "b"), "colours": ((1, 2, 3),)}, "2 classes and 1 colours"),
        ({"classes": ("a", "b", "c"), "encoding": "binary"}, "3 classes for binary"),
        ({"masks": "labels", "classes": ("a",)}, "labels is not there"),
    ],
)
def test_a_folder_that_is_described_wrongly_is_refused(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        open_dataset("folders", folders(tmp_path, IDS), "all", **options)
