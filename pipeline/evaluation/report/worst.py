"""The frames that went worst, as pictures, kept while an evaluation goes on."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from pipeline.config import RenderConfig
from pipeline.evaluation.scoring import Scores
from pipeline.evaluation.scoring.compared import compared
from pipeline.flow import Pool
from pipeline.render import Renderer
from pipeline.render.panels import Entry, Legend
from pipeline.types import Picture, Scene

KEPT = 12
WIDTH_PX = 720  # widest picture in the page
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 88)


@dataclass(frozen=True, slots=True, order=True)
class Shown:
    """A frame as the page shows it; the better of two comes first in order, as a heap wants it."""

    badness: float  # 1 is the worst
    order: int  # of two alike the earlier frame is kept
    name: str = field(compare=False)
    found: bytes = field(compare=False)  # JPEG
    truth: bytes = field(compare=False)  # JPEG
    key: tuple[Entry, ...] = field(compare=False)  # classes of its label maps, and their colours

    @property
    def quality(self) -> float:
        """How good the frame is, 0..1."""
        return 1 - self.badness


class Worst:
    """Call it with each picture and how good it is; draws what it keeps, at once, and keeps no frame."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._heap: list[Shown] = []
        self._seen = 0
        config = RenderConfig(legend=False, status=False, scores=True)
        self._found = Renderer(config, Pool)
        self._truth = Renderer(RenderConfig(legend=False, status=False, scores=False), Pool)

    def __call__(self, picture: Picture, quality: float, scores: Scores) -> None:
        """Look at one frame; NaN: it has nothing to measure."""
        self._seen += 1
        rank = (1 - quality, -self._seen)
        full = len(self._heap) == self._kept
        if math.isnan(quality) or (full and rank < (self._heap[0].badness, self._heap[0].order)):
            return
        found, truth = compared(scores, picture.scene)
        frame = picture.scene.frame
        name = (frame.truth.name if frame.truth is not None else "") or f"frame {frame.index}"
        one = Shown(*rank, name, _drawn(self._found, found), _drawn(self._truth, truth), (*_key(found), *_key(truth)))
        if full:
            heapq.heapreplace(self._heap, one)
        else:
            heapq.heappush(self._heap, one)

    def frames(self) -> list[Shown]:
        """Those kept, the worst first."""
        return sorted(self._heap, reverse=True)

    def key(self) -> list[Entry]:
        """What the colours of their label maps mean: objects have their names beside them."""
        return list(dict.fromkeys(entry for frame in self.frames() for entry in frame.key))


def _key(scene: Scene) -> list[Entry]:
    return Legend().update(replace(scene, instances=None))


def _drawn(renderer: Renderer, scene: Scene) -> bytes:
    picture = renderer.render(scene)
    assert picture.image is not None
    bgr = picture.image.bgr()
    width = bgr.shape[1]
    if width > WIDTH_PX:
        size = WIDTH_PX, round(bgr.shape[0] * WIDTH_PX / width)
        bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
    data = bytes(cv2.imencode(".jpg", bgr, _QUALITY)[1])
    if picture.lease is not None:
        picture.lease.release()
    return data
