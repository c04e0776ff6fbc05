"""Any folder of images with a folder of masks: how a user brings footage of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.classes import colours_for
from pipeline.datasets.decoding import read_colours, read_ids
from pipeline.datasets.listing import IMAGE_SUFFIXES, files
from pipeline.datasets.name_lists import own_names, read_lines
from pipeline.datasets.pairs import Pairs, id_reader, pair
from pipeline.errors import DataError
from pipeline.types import VOID, Classes

Encoding = Literal["ids", "palette", "binary", "colours"]
ENCODINGS: tuple[Encoding, ...] = ("ids", "palette", "binary", "colours")
MASK_SUFFIXES = frozenset((".png", ".bmp", ".tif", ".tiff", ".pgm", ".ppm"))
BINARY = Classes(("background", "object"), ((0, 0, 0), (220, 20, 60)))
CLASS_LIST = "classes.txt"
ALL = "all"
_VOID_NAME = "void"
_HINT = f"write {CLASS_LIST} beside the images' folder: a name a line, with its colour behind it (road 128 64 128)"


class Folders(Pairs):
    """`images/` and `masks/`: an image and its mask have the same name, but for the suffix.

    Args:
        root: the folder that holds both, and `classes.txt`: a class a line in the order of the ids, a name and, if
            you like, a colour as three numbers (R G B). A line `void R G B` names a colour without a class.
        split: a folder inside `images/` and `masks/`, or around them (`train/images/`); `all`: no such folder.
        strict: see open_dataset.
        encoding: of the masks.
            ids      grey, the value is the class, 255 is void
            palette  PNG with a palette, the index is the class, 255 is void
            binary   grey, 0 is background and 255 is the object; needs no classes.txt
            colours  RGB, each class has its colour in classes.txt
        classes: names in the order of the ids, instead of classes.txt.
        colours: (R, G, B) for each of `classes`; needed for encoding=colours.
        images, masks: the folders' names; `{split}` in them is replaced: images="{split}", masks="{split}annot".
        mask_ending: what a mask's name has behind its image's name, such as `_mask`.
        terms: what the data may be used for.

    Raises:
        DataError: see open_dataset; no class names; an unknown encoding.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        strict: bool = True,
        encoding: Encoding = "ids",
        classes: Sequence[str] = (),
        colours: Sequence[tuple[int, int, int]] = (),
        images: str = "images",
        masks: str = "masks",
        mask_ending: str = "",
        terms: str = "as its owner says",
    ) -> None:
        if encoding not in ENCODINGS:
            raise DataError(f"masks cannot be stored as {encoding!r}", hint=f"encodings are {', '.join(ENCODINGS)}")
        image_folder, mask_folder = (_folder(root, folder, split) for folder in (images, masks))
        found = files(image_folder, IMAGE_SUFFIXES), files(mask_folder, MASK_SUFFIXES | {".jpg"}, mask_ending)
        pairs, left_out = pair(*found, strict)
        table, void = _classes(root, encoding, classes, colours)
        super().__init__("folders", table, terms, pairs, left_out, _reader(encoding, table, void))


def _folder(root: Path, name: str, split: str) -> Path:
    if "{split}" in name:
        return root / name.replace("{split}", split)
    if split == ALL:
        return root / name
    around = root / split / name
    return around if around.is_dir() else root / name / split


def _classes(
    root: Path, encoding: Encoding, names: Sequence[str], colours: Sequence[tuple[int, int, int]]
) -> tuple[Classes, list[tuple[int, int, int]]]:
    """The classes, and the colours that mean void."""
    void: list[tuple[int, int, int]] = []
    file = root / CLASS_LIST
    if names:
        if colours and len(colours) != len(names):
            raise DataError(f"{len(names)} classes and {len(colours)} colours", hint="give each class one colour")
        given = list(colours)
    elif encoding == "binary" and not file.is_file():
        return BINARY, void
    else:
        names, given, void = _class_list(file)
    names = own_names(names, str(root))
    if len(names) >= VOID - 1:
        raise DataError(f"{root}: {len(names)} classes", hint=f"a mask can hold {VOID - 2} at most")
    if encoding == "binary" and len(names) != len(BINARY):
        raise DataError(f"{len(names)} classes for binary masks", hint="name two: the background and the object")
    if encoding == "colours" and (len(given) != len(names) or len({*given, *void}) != len(given) + len(void)):
        raise DataError("masks in colours need a different colour for each class", hint=_HINT)
    return Classes(names, tuple(given) if given else colours_for(names)), void


def _class_list(file: Path) -> tuple[list[str], list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    names, colours, void = [], [], []
    for line in read_lines(file, "so the classes have no names", _HINT):
        words = line.split()
        numbers = [int(word) for word in words[-3:] if word.isdecimal() and int(word) <= VOID]
        coloured = len(numbers) == 3 and len(words) > 3
        name = " ".join(words[:-3] if coloured else words)
        if name == _VOID_NAME and coloured:
            void.append((numbers[0], numbers[1], numbers[2]))
            continue
        names.append(name)
        if coloured:
            colours.append((numbers[0], numbers[1], numbers[2]))
    if not names or (colours and len(colours) != len(names)):
        raise DataError(f"{file}: {len(names)} names and {len(colours)} colours were found", hint=_HINT)
    return names, colours, void


def _reader(
    encoding: Encoding, classes: Classes, void: Sequence[tuple[int, int, int]]
) -> Callable[[Path], NDArray[np.uint8]]:
    if encoding == "binary":
        return _read_binary
    if encoding == "colours":
        table = {colour: index for index, colour in enumerate(classes.colours)} | dict.fromkeys(void, VOID)
        return colour_reader(table, _HINT)
    ids = {number: number for number in range(len(classes))} | {VOID: VOID}
    return id_reader(ids, palette=encoding == "palette")


def _read_binary(path: Path) -> NDArray[np.uint8]:
    mask = read_ids(path)
    other = (mask != 0) & (mask != 255)
    if other.any():
        few = ", ".join(map(str, np.unique(mask[other])[:8].tolist()))
        raise DataError(f"{path}: a binary mask holds 0 and 255, found {few}", hint="say encoding=ids for class ids")
    return np.asarray(mask != 0).view(np.uint8)


def colour_reader(table: dict[tuple[int, int, int], int], hint: str) -> Callable[[Path], NDArray[np.uint8]]:
    """What reads masks in colours (R, G, B) -> class id; its DataError names colours of no class, with that hint."""
    by_code = sorted(((red << 16) | (green << 8) | blue, class_id) for (red, green, blue), class_id in table.items())
    codes = np.array([code for code, _ in by_code], np.int32)
    class_ids = np.array([class_id for _, class_id in by_code], np.uint8)

    def read(path: Path) -> NDArray[np.uint8]:
        bgra = cv2.cvtColor(read_colours(path), cv2.COLOR_BGR2BGRA)
        code = bgra.view("<i4")[..., 0] & 0xFFFFFF  # red << 16 | green << 8 | blue
        place = np.searchsorted(codes, code).clip(max=len(codes) - 1)
        wrong = codes[place] != code
        if wrong.any():
            found = np.unique(code[wrong])[:4].tolist()
            few = ", ".join(f"({c >> 16}, {c >> 8 & 255}, {c & 255})" for c in found)
            raise DataError(f"{path}: colours (R, G, B) of no class: {few}", hint=hint)
        return np.asarray(class_ids[place], np.uint8)

    return read
