"""COCO's run lengths of 26 masks."""

from __future__ import annotations

from time import thread_time
from typing import Any

import numpy as np
import pytest
from words import SIZE_HW

from pipeline.rle import encode_instances
from pipeline.types import Instances

pytestmark = pytest.mark.benchmark(group="run lengths of 26 masks", timer=thread_time)


def test_ours(benchmark: Any, found: Instances) -> None:
    assert len(benchmark(encode_instances, found, SIZE_HW)) == len(found)


def test_pycocotools(benchmark: Any, found: Instances) -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="no pycocotools here: install the extra `bench`")

    def usual() -> list[str]:
        masks = (np.asfortranarray(found.full_mask(i, SIZE_HW) != 0, np.uint8) for i in range(len(found)))
        return [coco.encode(mask)["counts"].decode() for mask in masks]

    assert benchmark(usual) == encode_instances(found, SIZE_HW)
