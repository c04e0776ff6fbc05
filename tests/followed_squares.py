"""Films of squares that move and are followed, more or less well: for every benchmark that compares numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIZE_HW = (96, 128)
Numbers = NDArray[np.uint16]


def film(random: np.random.Generator, kinds: list[int], frames: int, region: int = 0) -> list[Numbers]:
    """Pictures (h, w) uint16 of objects kind * 1000 + i; some come later, go or are hidden for a while.

    Args:
        random: says where.
        kinds: of the objects.
        frames: how many.
        region: a number that the left edge has, 0: none.
    """
    at = random.uniform(20, 70, (len(kinds), 2))
    speed = random.uniform(-3, 3, (len(kinds), 2))
    side = random.integers(12, 34, (len(kinds), 2))
    shown = random.random((len(kinds), frames)) < 0.85
    pictures = []
    for frame in range(frames):
        picture = np.zeros(SIZE_HW, np.uint16)
        if region:
            picture[10:80, :30] = region
        for i, kind in enumerate(kinds):
            if shown[i, frame]:
                (y, x), (h, w) = (at[i] + speed[i] * frame).clip(0, 90).astype(int), side[i]
                picture[y : y + h, x : x + w] = kind * 1000 + i + 1
        pictures.append(picture)
    return pictures


def followed(random: np.random.Generator, truth: list[Numbers], region: int = 0) -> list[Numbers]:
    """The film as somebody followed it: a little aside, some missed, some under another number, and ghosts."""
    numbers = sorted({int(one) for picture in truth for one in np.unique(picture)} - {0, region})
    names = {number: number + 100 for number in numbers}
    pictures = []
    for true in truth:
        picture = np.zeros_like(true)
        for number in numbers:
            if random.random() < 0.1:  # from here on under another number
                names[number] = number // 1000 * 1000 + int(random.integers(200, 900))
            if random.random() < 0.15 or names[number] in picture:
                continue
            moved = np.roll(true == number, random.integers(-3, 4, 2), (0, 1))
            picture[moved] = names[number]
        if random.random() < 0.5:
            y, x = random.integers(0, 70, 2)
            picture[y : y + 9, x : x + 17] = random.choice([1950, 2950])
        if random.random() < 0.5:
            picture[20:40, :25] = 1951  # where nothing is scored
        pictures.append(picture)
    return pictures
