"""What every reader of predictions is, and what readers have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, ParamSpec, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.datasets import LeftOut
from pipeline.datasets.decoding import read_ids
from pipeline.datasets.objects import Marked, true_objects
from pipeline.errors import DataError
from pipeline.formats.base import Prediction
from pipeline.types import VOID, Classes, Instances

T = TypeVar("T")
P = ParamSpec("P")
Kind = Literal["box", "mask"]
REFUSED = "the official toolkit refuses predictions that lack one; here it counts as nothing found"
NOTHING = "it counts as nothing found, as in the official toolkit"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What predictions are read for."""

    things: Classes | None = None  # of the true objects
    category_ids: tuple[int, ...] = ()  # by class id, where the truth numbers its classes
    task: str = ""  # of several that one format has
    found: tuple[str, ...] = ()  # classes of the predictions, where they have others


@dataclass(frozen=True, slots=True)
class Asked:
    """A true image, whose prediction is asked for."""

    name: str  # may hold folders
    index: int
    size_hw: tuple[int, int]
    image_id: int | str | None = None


class Reader(Protocol):
    """Reads the predictions for many images, each when it is asked for.

    Attributes:
        labels: the classes of the label maps that are there; None: there are none.
        things: the classes of the objects that are there; None: there are none.
        kinds: what of an object can be compared.
        sized_by: an object is as large as its box, or as its mask.
        missing: how an image without a prediction counts, in words.
        left_out: what of the predictions is wrong and does not count, so far.
        note: what the figures are not, if they are not the benchmark's own.
    """

    labels: Classes | None
    things: Classes | None
    kinds: tuple[Kind, ...]
    sized_by: Kind
    missing: str
    left_out: list[LeftOut]
    note: str

    def find(self, asked: Asked) -> Prediction | None:
        """What was found in an image; None where nobody says anything of it."""
        ...

    def unasked(self) -> list[str]:
        """Predictions for images that nobody asked for so far."""
        ...


class LabelMap(NamedTuple):
    """A file of labels."""

    class_ids: NDArray[np.uint8]  # (h, w)
    numbers: NDArray[np.uint8]  # (h, w) as stored, VOID for more than that


class Reading:
    """The attributes of a Reader as most have them, and how it leaves out what is wrong."""

    labels: Classes | None = None
    things: Classes | None = None
    kinds: tuple[Kind, ...] = ("mask",)
    sized_by: Kind = "mask"
    missing = REFUSED
    note = ""

    def __init__(self) -> None:
        self.left_out: list[LeftOut] = []

    def _leave(self, name: str, reason: str) -> None:
        self.left_out.append(LeftOut(name, reason))

    def _whole(self, name: str, read: Callable[P, T], *words: P.args, **named: P.kwargs) -> T | None:
        """What `read` gives; None, and it is left out, where it is broken."""
        try:
            return read(*words, **named)
        except DataError as error:
            self._leave(name, error.message)
            return None

    def _labels(self, path: Path, ids: Mapping[int, int], size_hw: tuple[int, int]) -> LabelMap | None:
        """A label map, with a palette or without; numbers that `ids` does not have are VOID, and said."""
        numbers = self._whole(path.name, read_sized, path, size_hw, palette=None)
        if numbers is None:
            return None
        there = np.flatnonzero(np.bincount(numbers.ravel(), minlength=256))
        if unknown := [number for number in there.tolist() if number not in ids]:
            named = ", ".join(map(str, unknown[:8])) + (", ..." if len(unknown) > 8 else "")
            self._leave(path.name, f"unknown class {named}: such pixels count as nothing found")
        table = np.full(256, VOID, np.uint8)
        for number, class_id in ids.items():
            table[number] = class_id
        narrow = np.where(numbers > VOID, VOID, numbers).astype(np.uint8)
        return LabelMap(np.asarray(cv2.LUT(narrow, table), np.uint8), narrow)


def read_sized(
    path: Path, size_hw: tuple[int, int], palette: bool | None = False
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The numbers (h, w) of a PNG as read_ids gives them; DataError where it is not of that height and width."""
    numbers = read_ids(path, palette=palette)
    height, width = numbers.shape
    if (height, width) != size_hw:
        raise wrong_size(path, (height, width), size_hw)
    return numbers


def wrong_size(path: Path, is_hw: tuple[int, int], image_hw: tuple[int, int]) -> DataError:
    """For a prediction of another size than its image."""
    return DataError(
        f"{path} is {is_hw[1]}x{is_hw[0]}, its image {image_hw[1]}x{image_hw[0]}", hint="predict at the image's size"
    )


def found(marked: Sequence[Marked], scores: Sequence[float], classes: Classes, followed: bool = False) -> Instances:
    """Objects, best score first; of equal ones in the order given.

    Args:
        marked, scores, classes: what they are.
        followed: their numbers are those of the same objects over time.
    """
    order = sorted(range(len(marked)), key=lambda place: -scores[place])
    whole = true_objects([marked[place] for place in order], classes)
    return replace(
        whole.instances,
        scores=np.array([scores[place] for place in order], np.float64),
        track_ids=whole.ids if followed else None,
    )
