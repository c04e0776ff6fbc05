"""BDD100K's lane markings: F measure at 1, 2 and 5 pixels for direction, style and category.

As the bdd100k package has it (eval/lane.py): the mean over the images of each class's F measure, where an image
without a class in truth and found scores 1; the mean over the classes of a task; the mean over the tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics.boundary import f_measure

TOLERANCES_PX = (1, 2, 5)
_BACKGROUND = 0b1000  # the byte is --dsbccc
_CATEGORIES = (
    "crosswalk",
    "double other",
    "double white",
    "double yellow",
    "road curb",
    "single other",
    "single white",
    "single yellow",
)
# task -> where its bits begin, how many there are, what their values mean
TASKS: Mapping[str, tuple[int, int, tuple[str, ...]]] = MappingProxyType(
    {
        "direction": (5, 1, ("parallel", "vertical")),
        "style": (4, 1, ("solid", "dashed")),
        "category": (0, 3, _CATEGORIES),
    }
)


@dataclass(frozen=True, slots=True)
class LaneScores:
    """F measures 0..1 by tolerance, in the order of TOLERANCES_PX."""

    classes: dict[str, dict[str, tuple[float, ...]]]  # task -> class
    tasks: dict[str, tuple[float, ...]]
    mean: tuple[float, ...]


class LaneScore:
    """Counts image by image, in any order."""

    def __init__(self) -> None:
        self._sums = {task: np.zeros((len(names), len(TOLERANCES_PX))) for task, (_, _, names) in TASKS.items()}
        self._images = 0

    def add(self, truth: NDArray[np.uint8], found: NDArray[np.uint8] | None) -> None:
        """Count one image.

        Args:
            truth, found: (h, w) uint8, BDD100K's bytes, 255 where there is no marking. None: the file is missing.
                The package takes a missing one as zeros, which claims crosswalk everywhere; so does this.
        """
        found = np.zeros_like(truth) if found is None else found
        if truth.shape != found.shape:
            raise ValueError(f"truth is {truth.shape}, found {found.shape}: compare them at one size")
        marked = [(lanes & _BACKGROUND) == 0 for lanes in (truth, found)]
        for task, (shift, bits, names) in TASKS.items():
            values = [(lanes >> shift) & ((1 << bits) - 1) for lanes in (truth, found)]
            for number in range(len(names)):
                true, said = ((value == number) & mark for value, mark in zip(values, marked, strict=True))
                self._sums[task][number] += [f_measure(true, said, px) for px in TOLERANCES_PX]
        self._images += 1

    def scores(self) -> LaneScores:
        """The means; NaN before the first image."""
        with np.errstate(invalid="ignore"):
            means = {task: sums / np.float64(self._images) for task, sums in self._sums.items()}
        tasks = {task: tuple(values.mean(0).tolist()) for task, values in means.items()}
        return LaneScores(
            classes={
                task: {name: tuple(row) for name, row in zip(TASKS[task][2], values.tolist(), strict=True)}
                for task, values in means.items()
            },
            tasks=tasks,
            mean=tuple(np.mean(list(tasks.values()), axis=0).tolist()),
        )
