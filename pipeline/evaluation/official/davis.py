"""DAVIS' figures: J, F and their mean over the objects of all films."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets import LeftOut
from pipeline.datasets.davis import UNSUPERVISED
from pipeline.evaluation.scoring.numbers import number
from pipeline.evaluation.truths import Truths
from pipeline.formats import Prediction
from pipeline.formats.reading import Reader
from pipeline.metrics.davis import MOST_PROPOSALS, FilmObject, JAndF
from pipeline.metrics.tracked import painted_rows
from pipeline.track.assignment import best_pairs
from pipeline.types import VOID, Instances, Truth

_FIGURES = ("Mean", "Recall", "Decay")


class DavisScore:
    """Counts films one behind the other.

    Args:
        truths: images called `film/frame`, all of a film together and in order; their task says how.
        reader: of objects with numbers over time.
    """

    alone = False

    def __init__(self, truths: Truths, reader: Reader) -> None:
        self._task = truths.task
        self._unsupervised = truths.task == UNSUPERVISED
        self._films = [PurePosixPath(name).parent.name for name in truths.names]
        self._lengths = Counter(self._films)
        self._firsts = {film: self._films.index(film) for film in self._lengths}
        self._film: str | None = None
        self._objects = 0
        self._measure = JAndF(0)
        self._done: dict[str, FilmObject] = {}
        self._strange: set[int] = set()
        self.left_out: list[LeftOut] = []

    def add(self, index: int, truth: Truth, found: Prediction | None) -> None:
        """See OfficialScore."""
        film = self._films[index]
        objects = truth.objects
        assert objects is not None
        assert truth.labels is not None
        height, width = truth.labels.map.shape
        there = _numbers(objects.instances, objects.ids, (height, width))
        if film != self._film:
            self._end()
            self._film, self._objects = film, int(there.max(initial=0))
            self._measure = JAndF(self._objects, best_pairs if self._unsupervised else None)
            self._strange = set()
        place = index - self._firsts[film]
        if not self._unsupervised and place in (0, self._lengths[film] - 1):
            return
        instances = None if found is None else found.instances
        said = np.zeros_like(there)
        if instances is not None and instances.track_ids is not None:
            said = _numbers(instances, instances.track_ids, (height, width))
            self._look_at(instances.track_ids)
        if self._unsupervised:  # where the truth is not sure nothing is found, as davis2017-evaluation has it there
            said[truth.labels.map == VOID] = 0
        self._measure.add(there, said)

    def _look_at(self, found: NDArray[np.int64]) -> None:
        """Numbers for which there is no place."""
        most = MOST_PROPOSALS if self._unsupervised else self._objects
        for one in sorted({one for one in found.tolist() if one > most} - self._strange):
            self._strange.add(one)
            what = f"the {most} that a film may have" if self._unsupervised else f"the film's {most}"
            self.left_out.append(LeftOut(str(self._film), f"object {one} is none of {what}: J and F leave it out"))

    def _end(self) -> None:
        if self._film is None:
            return
        measured = self._measure.objects()
        if not measured and self._objects:
            self.left_out.append(LeftOut(self._film, "no frame between the first and the last: no J and F"))
        self._done |= {f"{self._film}_{row}": one for row, one in enumerate(measured, 1)}
        self._film = None

    def report(self) -> dict[str, Any]:
        """See OfficialScore."""
        self._end()
        j, f = (
            np.array([getattr(one, key) for one in self._done.values()], np.float64).reshape(-1, 3) for key in "jf"
        )
        means = [(values.mean(0) if len(values) else np.full(3, np.nan)).tolist() for values in (j, f)]
        return {
            "davis": {
                "task": self._task,
                "J&F-Mean": number((means[0][0] + means[1][0]) / 2),
                **{
                    f"{kind}-{name}": number(value)
                    for kind, values in zip("JF", means, strict=True)
                    for name, value in zip(_FIGURES, values, strict=True)
                },
                "objects": {
                    name: {"J-Mean": number(one.j[0]), "F-Mean": number(one.f[0])} for name, one in self._done.items()
                },
            }
        }


def _numbers(objects: Instances, ids: NDArray[np.int64], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    return np.array([0, *np.where(ids > VOID, 0, ids).tolist()], np.uint8)[painted_rows(objects, size_hw)]
