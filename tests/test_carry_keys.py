"""Which frames the networks look at, where they leave some out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from carried_films import picture, shifted

from pipeline.config import TrackConfig
from pipeline.image import Image
from pipeline.track import Keys
from pipeline.track.films import KEPT, Films
from pipeline.types import Frame, Truth


def test_the_networks_look_at_a_cut_at_another_size_and_at_each_film_anew() -> None:
    keys = Keys(TrackConfig(carry=9))
    films = [picture(i, shifted(2 * i)) for i in range(3)]
    other = replace(films[0], image=Image((255 - films[0].image.planes[0][::-1],), "bgr24"))
    small = replace(films[0], image=Image((films[0].image.planes[0][::2, ::2].copy(),), "bgr24"))
    elsewhere = replace(films[0], source=1)
    named = picture(0, shifted(0), name="film/0")
    frames = [*films, other, other, small, small, elsewhere, named, small]
    assert [keys(frame).carried for frame in frames] == [0, 1, 2, 0, 1, 0, 1, 0, 0, 2]


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("carry", [0, 1, 2])
def test_no_more_frames_are_carried_than_are_asked_for(carry: int, smooth: bool) -> None:
    keys = Keys(TrackConfig(carry=carry, smooth=smooth))
    seen = [keys(picture(i, shifted(2 * i))) for i in range(6)]
    assert [frame.carried for frame in seen] == [i % (carry + 1) for i in range(6)]
    # how a picture moved is computed where somebody needs it alone: where it is carried, or steadied
    assert [frame.motion is not None for frame in seen[1:]] == [smooth or frame.carried > 0 for frame in seen[1:]]


@pytest.mark.parametrize("light", [1.0, 0.25, 0.15])
def test_a_cut_is_seen_in_the_dark_too(light: float) -> None:
    def dimmed(frame: Frame, turned: bool = False) -> Frame:
        plane = (frame.image.planes[0] * light).astype(np.uint8)
        noise = np.random.default_rng(frame.index).integers(-2, 3, plane.shape)
        shown = np.clip((plane[::-1] if turned else plane) + noise, 0, 255).astype(np.uint8)
        return replace(frame, image=Image((shown,), "bgr24"))

    keys = Keys(TrackConfig(carry=9))
    frames = [dimmed(picture(i, shifted(2 * i)), turned=i > 2) for i in range(5)]
    assert [keys(frame).carried for frame in frames] == [0, 1, 2, 0, 1]


def test_the_networks_look_at_the_first_frame_behind_a_gap() -> None:
    keys = Keys(TrackConfig(carry=9, smooth=True))
    frames = [replace(picture(i, shifted(2 * i)), gaps=int(i > 2)) for i in range(5)]
    seen = [keys(frame) for frame in frames]
    assert [frame.carried for frame in seen] == [0, 1, 2, 0, 1]
    assert seen[3].motion is None  # nothing is known of how the picture came there


def test_no_more_films_are_remembered_than_come_in_turn() -> None:
    begun: list[int] = []
    films = Films(lambda: begun.append(len(begun)) or begun[-1])  # type: ignore[func-returns-value]
    a_frame = picture(0, shifted(0))

    def of(name: str, source: int = 0) -> int:
        return films.of(replace(a_frame, truth=Truth(name=name), source=source))

    assert [of(f"{film}/{i}") for i in range(3) for film in range(KEPT)] == list(range(KEPT)) * 3
    assert of("0/9", source=1) == KEPT  # another source takes nobody's place
    assert of("another/0") == KEPT + 1
    assert of("1/9") == 1
    assert of("0/9") == KEPT + 2  # the one that was away for longest
