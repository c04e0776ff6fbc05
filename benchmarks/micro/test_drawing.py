"""26 masks, boxes and names into a picture."""

from __future__ import annotations

from time import thread_time
from typing import Any

import numpy as np
import pytest
from words import SIZE_HW

from pipeline.config import RenderConfig
from pipeline.flow import Pool
from pipeline.render import Renderer
from pipeline.types import Frame, Instances, Scene

pytestmark = pytest.mark.benchmark(group="26 objects drawn", timer=thread_time)


def full(found: Instances) -> Any:
    """(n, h, w) bool."""
    return np.stack([found.full_mask(i, SIZE_HW) for i in range(len(found))]).astype(bool)


def test_ours_into_the_planes(benchmark: Any, frame: Frame, found: Instances) -> None:
    renderer, scene = Renderer(RenderConfig(), Pool), Scene(frame, found)

    def draw() -> Any:
        picture = renderer.render(scene)
        picture.lease.release()
        return picture

    assert not np.array_equal(benchmark(draw).image.planes[0], frame.image.planes[0])


def test_the_tutorials_way(benchmark: Any, bgr: Any, found: Instances) -> None:
    from tutorial_yolo import TutorialYolo

    words = found.boxes_xyxy, found.scores, found.class_ids, full(found)
    assert benchmark(TutorialYolo((384, 640), 0.25, 0.7).draw, bgr, words).shape == bgr.shape


def test_supervision(benchmark: Any, bgr: Any, found: Instances) -> None:
    sv = pytest.importorskip("supervision", reason="no Supervision here: install the extra `bench`")
    seen = sv.Detections(
        xyxy=found.boxes_xyxy, confidence=found.scores, class_id=found.class_ids.astype(int), mask=full(found)
    )
    painters = sv.MaskAnnotator(), sv.BoxAnnotator(), sv.LabelAnnotator()

    def draw() -> Any:
        picture = bgr.copy()
        for painter in painters:
            picture = painter.annotate(picture, seen)
        return picture

    assert benchmark(draw).shape == bgr.shape


def test_ultralytics(benchmark: Any, bgr: Any, found: Instances) -> None:
    results = pytest.importorskip(
        "ultralytics.engine.results",
        reason="no Ultralytics that loads: install the extra `bench`",
        exc_type=Exception,
    )
    torch = pytest.importorskip("torch", reason="no torch here: install the extra `bench`")
    torch.set_num_threads(1)
    rows = np.hstack([found.boxes_xyxy, found.scores[:, None], found.class_ids[:, None]]).astype(np.float32)
    names = dict(enumerate(found.classes.names))
    result = results.Results(
        bgr, "", names, boxes=torch.from_numpy(rows), masks=torch.from_numpy(full(found)).float()
    )
    assert benchmark.pedantic(result.plot, rounds=5, warmup_rounds=1).shape == bgr.shape
