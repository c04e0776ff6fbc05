"""What is in a data set, what is missing, and what is wrong: every image and label is read once."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data_check.contact_sheet import THUMBNAILS, thumbnail
from pipeline.datasets import DATASETS, Dataset, open_dataset
from pipeline.errors import DataError
from pipeline.types import VOID, Classes, TrueObjects

Watch = Callable[[int, int], None]  # images read, images in all
_USUAL = ("train", "val")


@dataclass(slots=True)
class Checked:
    """What was found in a split."""

    split: str
    terms: str = ""
    images: int = 0  # that are whole
    missing: str = ""  # why there is nothing
    left_out: list[tuple[str, str]] = field(default_factory=list)  # without a partner: name, reason
    wrong: list[tuple[str, str]] = field(default_factory=list)  # cannot be read, or do not fit: name, reason
    sizes: Counter[str] = field(default_factory=Counter)
    pixels: dict[str, int] = field(default_factory=dict)  # of each class; `void` for the rest
    in_images: dict[str, int] = field(default_factory=dict)  # images with that class
    objects: dict[str, dict[str, int]] = field(default_factory=dict)  # of each class: objects, crowd, ignored, images
    thumbnails: list[NDArray[np.uint8]] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "split": self.split,
            "terms": self.terms,
            "missing": self.missing,
            "images": self.images,
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
            "wrong": [{"name": name, "reason": reason} for name, reason in self.wrong],
            "sizes": dict(self.sizes.most_common()),
            "classes": {n: {"pixels": p, "images": self.in_images[n]} for n, p in self.pixels.items()},
            "objects": self.objects,
        }


def usual_splits(name: str) -> tuple[str, ...]:
    """The splits that a data set may have; DataError for an unknown data set."""
    if name not in DATASETS:
        open_dataset(name, ".", "")  # says which one is meant
    module = importlib.import_module(DATASETS[name].partition(":")[0])
    return tuple(getattr(module, "SPLITS", _USUAL))


def check_split(
    name: str, root: Path, split: str, options: Mapping[str, Any] | None = None, watch: Watch | None = None
) -> Checked:
    """Read a whole split, one image at a time; what is wrong is written down, not raised.

    Args:
        name, root, split, options: as for open_dataset.
        watch: is told how far it is.
    """
    found = Checked(split)
    try:
        dataset = open_dataset(name, root, split, **{**(options or {}), "strict": False})
    except DataError as error:
        found.missing = str(error)
        return found
    found.terms = dataset.terms
    found.left_out = [(one.name, one.reason) for one in dataset.left_out]
    shown = {round(i * (len(dataset) - 1) / max(THUMBNAILS - 1, 1)) for i in range(THUMBNAILS)}
    pixels = np.zeros(VOID + 1, np.int64)
    images = np.zeros(VOID + 1, np.int64)
    things: dict[int, Counter[str]] = {}
    for index in range(len(dataset)):
        try:
            sample = dataset[index]
        except DataError as error:
            found.wrong.append((dataset.names[index], error.message))
            continue
        found.images += 1
        found.sizes[f"{sample.image.shape[1]}x{sample.image.shape[0]}"] += 1
        counts = np.bincount(sample.labels.ravel(), minlength=VOID + 1)
        pixels += counts
        images += counts > 0
        if sample.objects is not None:
            _count(sample.objects, things)
        if index in shown:
            found.thumbnails.append(thumbnail(sample, dataset.classes))
        if watch is not None:
            watch(index + 1, len(dataset))
    _name(found, dataset, pixels, images, things)
    return found


def _count(objects: TrueObjects, things: dict[int, Counter[str]]) -> None:
    class_ids = objects.instances.class_ids.tolist()
    for class_id, crowd, ignore in zip(class_ids, objects.crowd.tolist(), objects.ignore.tolist(), strict=True):
        kind = "ignored" if ignore else "crowd" if crowd else "objects"
        things.setdefault(class_id, Counter())[kind] += 1
    for class_id in set(class_ids):
        things[class_id]["images"] += 1


def _name(
    found: Checked,
    dataset: Dataset,
    pixels: NDArray[np.int64],
    images: NDArray[np.int64],
    things: Mapping[int, Counter[str]],
) -> None:
    if len(dataset.classes):
        for class_id, name in [*enumerate(dataset.classes.names), (VOID, "void")]:
            found.pixels[name], found.in_images[name] = int(pixels[class_id]), int(images[class_id])
    classes: Classes | None = dataset.object_classes
    if classes is not None:
        named = dict(enumerate(classes.names)) | ({-1: "of any class"} if -1 in things else {})
        for class_id, name in named.items():
            counted = things.get(class_id, Counter())
            found.objects[name] = {kind: counted[kind] for kind in ("objects", "crowd", "ignored", "images")}
