"""Pictures as cameras, phones and drawing programs write them, and what is no picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from label_files import GREY, HW, png, write
from numpy.typing import NDArray
from unpacked_layouts import LAYOUTS, ONES, PAINTED, opened, unpacked

from pipeline.errors import DataError


def jpeg(path: Path, picture: NDArray[np.uint8], turned: int) -> None:
    """With an orientation in its EXIF data (1: as it is, 6: to be turned by 90 degrees)."""
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + bytes([0, turned, 0, 0, 0, 0, 0, 0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])


def test_pictures_are_turned_as_their_exif_data_say_and_a_label_that_is_not_is_named(tmp_path: Path) -> None:
    layout = next(one for one in LAYOUTS if one.name == "folders")
    unpacked(tmp_path, layout)
    jpeg(tmp_path / layout.image, GREY, 1)
    assert opened(tmp_path, layout)[0].image.shape[:2] == HW
    jpeg(tmp_path / layout.image, GREY, 6)
    with pytest.raises(DataError, match=r"one of them lies on its side: pictures are turned as their EXIF data say"):
        opened(tmp_path, layout)[0]
    write(tmp_path / layout.label, ONES.T.copy())
    assert opened(tmp_path, layout)[0].image.shape[:2] == HW[::-1]


def test_pictures_of_any_kind_are_three_colours_of_8_bit(tmp_path: Path) -> None:
    layout = next(one for one in LAYOUTS if one.name == "folders")._replace(image="images/val/a b é.png")
    kinds = (GREY[..., 0], np.dstack([GREY, ONES]), GREY.astype(np.uint16) * 257)
    for kind in kinds:
        unpacked(tmp_path, layout)
        write(tmp_path / layout.image, kind)
        assert (opened(tmp_path, layout)[0].image == GREY).all()
    for depth in (1, 8):
        png(tmp_path / layout.image, ONES, colour_type=3, depth=depth, palette=bytes([0, 0, 0, 90, 90, 90]))
        assert (opened(tmp_path, layout)[0].image == GREY).all()


def test_what_stands_for_a_file_or_holds_it_three_times_is_named(tmp_path: Path) -> None:
    layout = next(one for one in LAYOUTS if one.name == "folders")
    unpacked(tmp_path, layout)
    write(tmp_path / layout.label, np.dstack([ONES] * 3))
    with pytest.raises(DataError, match=r"has 3 channels.*\(they hold the same numbers: keep one of them\)"):
        opened(tmp_path, layout)[0]
    write(tmp_path / layout.label, PAINTED)
    with pytest.raises(DataError, match=r"has 3 channels.*encoding=colours"):
        opened(tmp_path, layout)[0]
    for place in (layout.label, layout.image):
        (tmp_path / place).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        with pytest.raises(DataError, match=r"is a pointer of Git LFS, not the file \(run `git lfs pull`"):
            opened(tmp_path, layout)[0]
