"""Buffers that are used again leak nothing, and pictures under way at once share none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scenes_to_draw import frame, planes_of, poisoned, render, some, stripes, yuv

from pipeline.config import RenderConfig
from pipeline.render import Renderer
from pipeline.types import Scene


@pytest.mark.parametrize(
    "config",
    [
        {}, {"view": "side-by-side"}, {"view": "masks"}, {"cutout": ("car",)}, {"blur": ("car", "person")},
        {"cutout": ("car",), "ground": "transparent"},
    ],
)  # fmt: skip
def test_a_used_buffer_leaks_nothing_also_when_the_size_changes(config: dict[str, Any]) -> None:
    renderer = Renderer(RenderConfig(**config), poisoned)
    for index, size_hw in enumerate([(120, 160), (120, 160), (120, 160), (91, 161), (91, 161), (120, 160)]):
        image = yuv(*size_hw, "yuv444p" if size_hw[0] % 2 else "yuv420p", seed=index)
        scene = Scene(frame(image, index * 50), some(*size_hw), stripes(*size_hw))
        picture = renderer.render(scene, "25 fps")
        for got, want in zip(planes_of(picture), planes_of(render(scene, "25 fps", **config)), strict=True):
            np.testing.assert_array_equal(got, want)
        assert picture.lease is not None
        picture.lease.release()


def test_pictures_under_way_at_once_have_buffers_of_their_own() -> None:
    renderer = Renderer(RenderConfig(), poisoned)
    first = renderer.render(Scene(frame(yuv(120, 160)), some(120, 160)))
    before = [plane.copy() for plane in planes_of(first)]
    renderer.render(Scene(frame(yuv(120, 160, seed=3)), some(120, 160)))
    for plane, old in zip(planes_of(first), before, strict=True):
        np.testing.assert_array_equal(plane, old)
