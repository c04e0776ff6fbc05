"""Images and label files that belong together, and the data sets that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.base import SPARE, LeftOut, Sample
from pipeline.datasets.decoding import misfit, read_ids, read_image, size_hw
from pipeline.errors import DataError
from pipeline.types import VOID, Classes, Labels, TrueObjects, Truth

_NO_ID = 254  # in a table of ids: a number that the data set does not have
_NAMED = 5  # so many files are named in a message


class Pair(NamedTuple):
    """An image and its label file."""

    name: str
    image: Path
    labels: Path
    objects: Path | None = None  # the file that marks objects, where that is another one


class Pairs:
    """A Dataset of pairs of files. Each is read when it is asked for; nothing is kept.

    A data set that marks objects overrides `_truth`.

    Args:
        name, classes, terms: as Dataset says.
        pairs: in order.
        left_out: what was not paired.
        labels_of: reads a label file as (h, w) uint8 class ids; None where `_truth` does it otherwise.
        object_classes: of the objects, where there are any.
    """

    task = ""  # of several that a data set has
    category_ids: tuple[int, ...] = ()  # by class of the objects, where a data set numbers them
    image_ids: tuple[int | str, ...] = ()  # of its images, where it numbers them
    not_in_mean: tuple[str, ...] = ()  # classes that count in the IoU of the others but not in the mean

    def __init__(
        self,
        name: str,
        classes: Classes,
        terms: str,
        pairs: Sequence[Pair],
        left_out: Sequence[LeftOut],
        labels_of: Callable[[Path], NDArray[np.uint8]] | None,
        object_classes: Classes | None = None,
    ) -> None:
        self.name = name
        self.classes = classes
        self.object_classes = object_classes
        self.terms = terms
        self.names = tuple(pair.name for pair in pairs)
        self.left_out = tuple(left_out)
        self._pairs = tuple(pairs)
        self._labels_of = labels_of

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample; see Dataset."""
        pair = self._pairs[index]
        image = read_image(pair.image)
        labels, objects = self._truth(pair)
        if image.shape[:2] != labels.shape:
            raise DataError(
                f"{pair.image} is {size_hw(image)}, its label {pair.labels.name} {size_hw(labels)}",
                hint=misfit(image, labels.shape, "a label needs a value for each pixel of its image"),
            )
        return Sample(pair.name, image, labels, objects)

    def truth(self, index: int) -> Truth:
        """What is on an image, without a look at the image; DataError where its label is broken."""
        pair = self._pairs[index]
        labels, objects = self._truth(pair)
        return Truth(Labels(labels, self.classes), objects=objects, name=pair.name)

    def _truth(self, pair: Pair) -> tuple[NDArray[np.uint8], TrueObjects | None]:
        """What is on an image."""
        return self._labels(pair), None

    def _labels(self, pair: Pair) -> NDArray[np.uint8]:
        assert self._labels_of is not None
        return self._labels_of(pair.labels)


def pair(images: Mapping[str, Path], labels: Mapping[str, Path], strict: bool) -> tuple[list[Pair], list[LeftOut]]:
    """Put images and labels of the same name together, in the images' order.

    Raises:
        DataError: strict, and one is without the other; or there is no pair at all.
    """
    lone_images = [name for name in images if name not in labels]
    lone_labels = [name for name in labels if name not in images]
    pairs = [Pair(name, path, labels[name]) for name, path in images.items() if name in labels]
    if (strict and (lone_images or lone_labels)) or not pairs:
        wrong = [
            f"{len(names)} {what}: {', '.join(names[:_NAMED])}{', ...' if len(names) > _NAMED else ''}"
            for names, what in (
                ([images[name].name for name in lone_images], "images without a label"),
                ([labels[name].name for name in lone_labels], "labels without an image"),
            )
            if names
        ]
        where = next((path.parent for table in (images, labels) for path in table.values()), None)
        if not wrong:
            raise DataError("the data set has no images", hint="check its folder and the split's name")
        raise DataError(f"{where}: {'; '.join(wrong)}", hint=_mend(bool(pairs)))
    left_out = [LeftOut(images[name].name, "image without a label") for name in lone_images]
    left_out += [LeftOut(labels[name].name, "label without an image") for name in lone_labels]
    return pairs, left_out


def _mend(some: bool) -> str:
    return f"complete the data set, {SPARE}" if some else "complete the data set: without them nothing is left"


def listed(found: Mapping[str, Path], names: Iterable[str]) -> dict[str, Path]:
    """Those of some files that a list names, in its order."""
    return {name: found[name] for name in names if name in found}


def with_objects(
    pairs: Sequence[Pair], objects: Mapping[str, Path], strict: bool
) -> tuple[list[Pair], list[LeftOut]]:
    """The pairs with the file that marks their objects.

    Raises:
        DataError: strict, and a pair has none; or none has.
    """
    lone = [pair for pair in pairs if pair.name not in objects]
    if lone and (strict or len(lone) == len(pairs)):
        named = ", ".join(pair.image.name for pair in lone[:_NAMED]) + (", ..." if len(lone) > _NAMED else "")
        raise DataError(
            f"{lone[0].image.parent}: {len(lone)} images without a file of their objects: {named}",
            hint=_mend(len(lone) < len(pairs)),
        )
    found = [pair._replace(objects=objects[pair.name]) for pair in pairs if pair.name in objects]
    return found, [LeftOut(pair.image.name, "image without a file of its objects") for pair in lone]


def id_reader(ids: Mapping[int, int], *, palette: bool | None = False) -> Callable[[Path], NDArray[np.uint8]]:
    """What reads a label file whose numbers are `ids`' keys; the values are class ids or VOID.

    The reader raises DataError naming the file and the numbers that are none of the keys.
    """
    table = np.full(256, _NO_ID, np.uint8)
    for number, class_id in ids.items():
        table[number] = class_id

    def read(path: Path) -> NDArray[np.uint8]:
        numbers = read_ids(path, palette=palette)
        if numbers.dtype != np.uint8:
            if numbers.max(initial=0) > VOID:
                raise _out_of_range(path, numbers[numbers > VOID], ids)
            numbers = numbers.astype(np.uint8)
        labels = np.asarray(cv2.LUT(numbers, table), np.uint8)
        wrong = labels == _NO_ID
        if wrong.any():
            raise _out_of_range(path, numbers[wrong], ids)
        return labels

    return read


def _out_of_range(path: Path, numbers: NDArray[np.generic], ids: Mapping[int, int]) -> DataError:
    found = np.unique(numbers).tolist()
    few = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
    allowed = sorted(ids)
    runs = [(n, next(m for m in range(n, 257) if m + 1 not in ids)) for n in allowed if n - 1 not in ids]
    said = ", ".join(f"{low}" if low == high else f"{low}..{high}" for low, high in runs)
    return DataError(f"{path}: label values out of range: {few}", hint=f"this data set has {said}")


def chosen_split(split: str, splits: Sequence[str], name: str) -> list[str]:
    """The splits that `split` means, `train+val` several of them; DataError for one that is not there."""
    parts = split.split("+")
    for part in parts:
        if part not in splits:
            raise DataError(f"{name} has no split {part!r}", hint=f"it has {', '.join(splits)}")
    if len(set(parts)) < len(parts):
        raise DataError(f"{split}: a split is named twice", hint="name each once")
    return parts
