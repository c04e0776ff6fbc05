"""Non-maximum suppression: 300 candidates of 26 objects."""

from __future__ import annotations

from time import thread_time
from typing import Any

import cv2
import numpy as np
import pytest
from words import candidates

from pipeline.postprocess.nms import nms

pytestmark = pytest.mark.benchmark(group="suppression", timer=thread_time)


def test_ours(benchmark: Any) -> None:
    boxes, scores, class_ids = candidates()
    kept = benchmark(lambda: nms(boxes, scores, class_ids, iou=0.7, max_det=300))
    assert 20 < len(kept) < 300


def test_opencv(benchmark: Any) -> None:
    boxes, scores, class_ids = candidates()

    def suppress() -> Any:
        sized = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
        return cv2.dnn.NMSBoxesBatched(sized.tolist(), scores.tolist(), class_ids.tolist(), 0.0, 0.7)

    kept = benchmark(suppress)
    assert sorted(np.ravel(kept)) == sorted(nms(boxes, scores, class_ids, iou=0.7, max_det=300).tolist())


def test_ultralytics(benchmark: Any) -> None:
    module = pytest.importorskip(
        "ultralytics.utils.nms", reason="no Ultralytics that loads: install the extra `bench`", exc_type=Exception
    )
    torch = pytest.importorskip("torch", reason="no torch here: install the extra `bench`")
    torch.set_num_threads(1)
    boxes, scores, class_ids = (torch.from_numpy(part) for part in candidates())
    moved = boxes + class_ids[:, None] * 7680.0
    kept = benchmark(module.TorchNMS.nms, moved, scores, 0.7)
    assert len(kept) == len(nms(*candidates(), iou=0.7, max_det=300))
