"""A wrong class or value of a drawing is said before the first frame, with what was meant."""

from __future__ import annotations

from typing import Any

import pytest
from scenes_to_draw import CLASSES

from pipeline.config import RenderConfig
from pipeline.errors import ConfigError
from pipeline.flow import Pool
from pipeline.render import Renderer, check_names


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"blur": ("persn",)}, "did you mean 'person'"),
        ({"cutout": ("Car",)}, "did you mean 'car'"),
        ({"blur": ("xyzzy",)}, "person, car, truck"),
    ],
)
def test_an_unknown_class_is_named_with_the_nearest_right_one(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_names(RenderConfig(**config), CLASSES.names)
    assert said in str(error.value)
    check_names(RenderConfig(blur=("person",), cutout=("car", "truck")), CLASSES.names)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"ground": "whit"}, "did you mean 'white'"),
        ({"ground": "#12345"}, "#rrggbb"),
        ({"alpha": 1.5}, "0 (no tint) to 1"),
        ({"alpha": float("nan")}, "0 (no tint) to 1"),
        ({"view": "side by side"}, "did you mean 'side-by-side'"),
        ({"view": "masks", "cutout": ("car",)}, "choose one"),
        ({"view": "side-by-side", "cutout": ("car",), "ground": "transparent"}, "overlay"),
    ],
)
def test_a_wrong_value_is_said_before_the_first_frame(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        Renderer(RenderConfig(**config), Pool)
    assert said in str(error.value)
