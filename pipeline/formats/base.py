"""What every writer of predictions is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SinkError
from pipeline.sinks.outputs import make_folder
from pipeline.types import Classes, Instances, Panoptic


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was found in one image, in the classes of the format that is written."""

    name: str  # of the image, as its data set says; may hold folders
    index: int  # of the image in its sequence, from 0
    size_hw: tuple[int, int]  # pixels
    labels: NDArray[np.uint8] | None = None  # (h, w) ids of Writer.labels, VOID where nothing was found
    instances: Instances | None = None  # class ids of Writer.things, best score first
    image_id: int | str | None = None  # where the data set numbers its images
    numbers: NDArray[np.uint8] | None = None  # (h, w) what a file of labels holds, where a benchmark looks at that
    panoptic: Panoptic | None = None  # of files that hold segments of things and of stuff


class Writer(Protocol):
    """Writes the predictions of many images; what was added is kept, whatever comes after.

    Attributes:
        labels: the classes of its label maps; None: it has none.
        things: the classes of its objects; None: it has none; empty: those of the network, as they are.
        scored: its objects carry scores, so that unlikely ones belong in it too.
        numbered: it takes the classes and category ids of a data set.
    """

    labels: ClassVar[Classes | None]
    scored: ClassVar[bool]
    numbered: ClassVar[bool]

    @property
    def things(self) -> Classes | None:
        """See above."""
        ...

    def add(self, prediction: Prediction) -> None:
        """Take one image's. SinkError: it cannot be written."""
        ...

    def close(self) -> list[Path]:
        """Write what is kept until the end; the files and folders that were made, for people."""
        ...


class LastNames:
    """The last parts of images' names, by which some formats tell images apart."""

    def __init__(self) -> None:
        self._whole: dict[str, str] = {}

    def of(self, name: str) -> str:
        """That of an image's name; SinkError where another image has it too, whose results would be lost."""
        last = Path(name).name
        if (other := self._whole.setdefault(last, name)) != name:
            raise SinkError(
                f"{other} and {name} would be one file: this format leaves the folder out of a name",
                hint="export one folder at a time, or take a format of films: davis or mots",
            )
        return last


class InFolders:
    """A writer whose files are whole as soon as they are added, in folders inside `out`."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._made: dict[Path, None] = {}
        self._names = LastNames()

    def close(self) -> list[Path]:
        """Everything is written already."""
        return list(self._made)

    def _folder(self, name: str) -> Path:
        self._made[self._out / name] = None
        return self._out / name


def exclusive(found: Instances, size_hw: tuple[int, int]) -> NDArray[np.int32]:
    """(h, w): 1 + the object that each pixel belongs to, the best score where several do; 0: none."""
    owner = np.zeros(size_hw, np.int32)
    for i in range(len(found) - 1, -1, -1):  # the best last, over the others
        x0, y0, x1, y1 = found.crops_px[i].tolist()
        owner[y0:y1, x0:x1][found.mask(i) != 0] = i + 1
    return owner


def digits(number: float) -> float:
    """With nine digits: as many as tell all float32 apart, so that no two scores become one."""
    return float(f"{number:.9g}")


def write_png(path: Path, image: NDArray[Any]) -> None:
    """Write (h, w) or (h, w, channels), in OpenCV's order, as a PNG, whole; SinkError where that fails."""
    _, data = cv2.imencode(".png", image)
    write_bytes(path, data.tobytes())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, then give it its own; its folder is made where it is not there."""
    make_folder(path.parent)
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error
