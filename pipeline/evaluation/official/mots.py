"""KITTI MOTS' figures: sMOTSA and its kin, and HOTA, of cars and of pedestrians."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np

from pipeline.datasets import LeftOut
from pipeline.evaluation.scoring.numbers import number
from pipeline.evaluation.truths import Truths
from pipeline.formats import Prediction
from pipeline.formats.reading import Reader
from pipeline.metrics.clear import Clear, ClearScores
from pipeline.metrics.hota import Hota, HotaScores
from pipeline.metrics.tracked import shared_pixels, tracked_frames
from pipeline.track.assignment import best_pairs
from pipeline.types import Truth

_NONE = np.zeros(0, np.int64)


class MotsScore:
    """Counts films one behind the other; of a film it keeps the overlaps, not the masks.

    Args:
        truths: images called `film/frame`, all of a film together and in order.
        reader: of objects with numbers over time.
    """

    alone = False
    left_out: tuple[LeftOut, ...] = ()

    def __init__(self, truths: Truths, reader: Reader) -> None:
        assert truths.object_classes is not None
        self._names = truths.object_classes.names
        self._films = [PurePosixPath(name).parent.name for name in truths.names]
        self._film: str | None = None
        self._of: dict[str, list[tuple[Clear, Hota]]] = {}  # film -> of each class

    def add(self, index: int, truth: Truth, found: Prediction | None) -> None:
        """See OfficialScore."""
        if self._films[index] != self._film:
            self._end()
            self._film = self._films[index]
            self._of[self._film] = self._new()
        objects = truth.objects
        assert objects is not None
        assert truth.labels is not None
        height, width = truth.labels.map.shape
        instances = None if found is None else found.instances
        ids = _NONE if instances is None or instances.track_ids is None else instances.track_ids
        classes = _NONE.astype(np.int32) if instances is None else instances.class_ids
        frames = tracked_frames(
            shared_pixels(objects.instances, instances, (height, width)),
            objects.ids,
            objects.instances.class_ids,
            ids,
            classes,
            range(len(self._names)),
        )
        for (clear, hota), frame in zip(self._of[self._film], frames, strict=True):
            clear.add(frame)
            hota.add(frame)

    def _new(self) -> list[tuple[Clear, Hota]]:
        return [(Clear(), Hota(best_pairs)) for _ in self._names]

    def _end(self) -> None:
        for clear, hota in self._of.get(self._film or "", ()):
            clear.end()
            hota.end()

    def report(self) -> dict[str, Any]:
        """See OfficialScore."""
        self._end()
        self._film = None
        whole = self._new()
        for film in self._of.values():
            for (clear, hota), (own_clear, own_hota) in zip(whole, film, strict=True):
                clear.merge(own_clear)
                hota.merge(own_hota)
        return {
            "mots": {
                "classes": self._classes(whole),
                "sequences": {name: self._classes(film) for name, film in self._of.items()},
            }
        }

    def _classes(self, counted: list[tuple[Clear, Hota]]) -> dict[str, Any]:
        return {
            name: _figures(clear.scores(), hota.scores())
            for name, (clear, hota) in zip(self._names, counted, strict=True)
        }


def _figures(clear: ClearScores, hota: HotaScores) -> dict[str, Any]:
    return {
        "sMOTSA": number(clear.smotsa),
        "MOTSA": number(clear.motsa),
        "MOTSP": number(clear.motsp),
        "MODSA": number(clear.modsa),
        "MOTSAL": number(clear.motsal),
        "Recall": number(clear.recall),
        "Prec": number(clear.precision),
        "F1": number(clear.f1),
        "TP": clear.tp,
        "FP": clear.fp,
        "FN": clear.fn,
        "IDS": clear.ids,
        "Frag": clear.frag,
        "MT": clear.mt,
        "PT": clear.pt,
        "ML": clear.ml,
        "HOTA": number(hota.hota),
        "DetA": number(hota.det_a),
        "AssA": number(hota.ass_a),
        "DetRe": number(hota.det_re),
        "DetPr": number(hota.det_pr),
        "AssRe": number(hota.ass_re),
        "AssPr": number(hota.ass_pr),
        "LocA": number(hota.loc_a),
    }
