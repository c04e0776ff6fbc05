"""From prototypes to masks at source resolution: 26 objects."""

from __future__ import annotations

from time import thread_time
from typing import Any

import numpy as np
import pytest
from words import BOXES, NETWORK_HW, SIZE_HW, prototypes

from pipeline.letterbox import Letterbox
from pipeline.postprocess.masks import masks_in_boxes

pytestmark = pytest.mark.benchmark(group="26 masks at source resolution", timer=thread_time)


def whole(found: Any) -> Any:
    """Masks in crops as (n, h, w) bool."""
    masks = np.zeros((len(found.crops_px), *SIZE_HW), bool)
    for i, (x0, y0, x1, y1) in enumerate(found.crops_px.tolist()):
        crop = found.arena[found.offset[i] : found.offset[i + 1]].reshape(y1 - y0, x1 - x0)
        masks[i, y0:y1, x0:x1] = crop > 0
    return masks


def test_ours(benchmark: Any, letterbox: Letterbox) -> None:
    grid, coefficients = prototypes()
    assert len(benchmark(masks_in_boxes, BOXES, coefficients, grid, letterbox).crops_px) == len(BOXES)


def test_the_tutorials_way(benchmark: Any, letterbox: Letterbox) -> None:
    from tutorial_yolo import TutorialYolo

    grid, coefficients = prototypes()
    usual = TutorialYolo(NETWORK_HW, 0.25, 0.7)
    usual.prepare(np.zeros((*SIZE_HW, 3), np.uint8))
    masks = benchmark(usual._masks, letterbox.boxes_to_network(BOXES), coefficients, grid)
    ours = whole(masks_in_boxes(BOXES, coefficients, grid, letterbox))
    assert (masks & ours).sum() / (masks | ours).sum() > 0.9


def test_ultralytics_at_source_resolution(benchmark: Any, letterbox: Letterbox) -> None:
    ops = pytest.importorskip(
        "ultralytics.utils.ops", reason="no Ultralytics that loads: install the extra `bench`", exc_type=Exception
    )
    torch = pytest.importorskip("torch", reason="no torch here: install the extra `bench`")
    torch.set_num_threads(1)
    grid, coefficients = prototypes()
    words = torch.from_numpy(grid), torch.from_numpy(coefficients), torch.from_numpy(BOXES)
    masks = benchmark(ops.process_mask_native, *words, SIZE_HW).numpy().astype(bool)
    ours = whole(masks_in_boxes(BOXES, coefficients, grid, letterbox))
    assert (masks & ours).sum() / (masks | ours).sum() > 0.99
