"""Labels move with the picture, nothing but the seed decides, and only geometry touches labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("albumentations", reason="no Albumentations here: install the extra `train`")
pytest.importorskip("torch", reason="no torch here: install the extra `train`")

from engines.training.augment import Augment, _cumulative, match_histogram, relight, relight_regions
from engines.training.config import AugmentConfig
from pipeline.types import VOID

NOTHING: dict[str, Any] = {
    "scale": (1.0, 1.0),
    **dict.fromkeys(("flip", "light", "regions", "colour", "gray", "style", "blur", "noise", "jpeg", "weather"), 0.0),
}
PHOTOMETRIC = ("light", "regions", "colour", "gray", "style", "blur", "noise", "jpeg", "weather")


def scene(seed: int = 0, size_hw: tuple[int, int] = (96, 128)) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture whose red channel is a function of its label, in blocks."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, (size_hw[0] // 16, size_hw[1] // 16), dtype=np.uint8)
    labels = np.kron(labels, np.ones((16, 16), np.uint8))
    image = rng.integers(40, 200, (*size_hw, 3), dtype=np.uint8)
    image[:, :, 0] = labels * 50
    return image, labels


@pytest.mark.parametrize("seed", range(12))
def test_labels_move_with_the_picture(seed: int) -> None:
    image, labels = scene()
    config = AugmentConfig(**NOTHING | {"scale": (0.5, 2.0), "flip": 0.5})
    moved, mask = Augment(config, (64, 80))(image, labels, (seed,))
    assert moved.shape == (64, 80, 3)
    assert mask.shape == (64, 80)
    inside = mask != VOID
    wrong = np.abs(moved[:, :, 0].astype(int) - mask.astype(int) * 50) > 25
    assert wrong[inside].mean() < 0.12  # blocks' edges, where a picture is interpolated and labels are not
    assert (moved[~inside] == 114).all()


@pytest.mark.parametrize("scale", [0.7, 0.9, 1.3, 1.77])
def test_labels_are_where_the_picture_is_at_any_scale(scale: float) -> None:
    rows, columns = np.mgrid[:96, :128]
    labels = (np.hypot(rows % 32 - 15.5, columns % 32 - 15.5) < 11).astype(np.uint8)
    image = np.repeat(labels[:, :, None] * np.uint8(255), 3, 2)
    moved, mask = Augment(AugmentConfig(**NOTHING | {"scale": (scale, scale)}), (64, 80))(image, labels, (1,))
    wrong = (moved[:, :, 0] > 127) != (mask == 1)
    assert wrong[mask != VOID].mean() < 0.013  # half a pixel beside the picture: 0.02 and more


def test_scales_and_flips_do_happen() -> None:
    image, labels = scene()
    augment = Augment(AugmentConfig(**NOTHING | {"scale": (0.5, 2.0), "flip": 0.5}), (64, 80))
    masks = [augment(image, labels, (seed,))[1] for seed in range(20)]
    padded = [(mask == VOID).any() for mask in masks]
    assert any(padded)
    assert not all(padded)
    half = Augment(AugmentConfig(**NOTHING | {"flip": 0.5}), (96, 128))
    flipped = [(half(image, labels, (seed,))[1] == labels[:, ::-1]).all() for seed in range(20)]
    assert 3 < sum(flipped) < 17


@pytest.mark.parametrize("name", PHOTOMETRIC)
def test_light_lens_and_weather_change_the_picture_and_no_label(name: str) -> None:
    image, labels = scene()
    other = np.clip(scene(9)[0].astype(int) // 2 + 90, 0, 255).astype(np.uint8)
    augment = Augment(AugmentConfig(**NOTHING | {name: 1.0}), (96, 128), [other])
    before = image.copy()
    changed = 0
    for seed in range(6):
        picture, mask = augment(image, labels, (seed,))
        assert picture.dtype == np.uint8
        assert (mask == labels).all()
        changed += bool((picture != image).any())
    assert changed >= 5
    assert (image == before).all()  # what came in is not written to


def test_nothing_asked_for_changes_nothing() -> None:
    image, labels = scene()
    picture, mask = Augment(AugmentConfig(**NOTHING), (96, 128))(image, labels, (1,))
    assert (picture == image).all()
    assert (mask == labels).all()


def test_the_seed_alone_decides() -> None:
    image, labels = scene()
    other = scene(3)[0]
    one, two = (Augment(AugmentConfig(weather=0.5), (64, 80), [other]) for _ in range(2))
    two(image, labels, (99,))  # what happened before does not matter
    seen = set()
    for seed in range(8):
        a, b = one(image, labels, (7, seed)), two(image, labels, (7, seed))
        assert (a[0] == b[0]).all()
        assert (a[1] == b[1]).all()
        seen.add(a[0].tobytes())
    assert len(seen) == 8


def test_transforms_act_independently() -> None:
    """Albumentations' set_random_seed would give all of them the same numbers: all at once or none."""
    image, labels = scene()
    augment = Augment(AugmentConfig(**NOTHING | {"flip": 0.5, "gray": 0.5}), (96, 128))
    seen = set()
    for seed in range(30):
        picture, mask = augment(image, labels, (seed,))
        seen.add((bool((mask != labels).any()), bool((picture[:, :, 0] == picture[:, :, 1]).all())))
    assert len(seen) == 4


def test_a_histogram_is_taken_over() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 120, (200, 200, 3), dtype=np.uint8)
    target = rng.normal((200, 120, 60), 15, (200, 200, 3)).clip(0, 255).astype(np.uint8)
    matched = match_histogram(image, _cumulative(target), 1.0)
    assert np.abs(matched.mean((0, 1)) - target.mean((0, 1))).max() < 2
    assert np.abs(matched.std((0, 1)) - target.std((0, 1))).max() < 2
    assert (match_histogram(image, _cumulative(target), 0.0) == image).all()


def test_light_of_no_strength_is_the_light_there_is() -> None:
    image = scene()[0]
    same = relight(image, np.random.default_rng(0), 0.0)
    assert np.abs(same.astype(int) - image).max() <= 1
    levels = [relight(image, np.random.default_rng(seed), 1.0).mean() / image.mean() for seed in range(40)]
    assert min(levels) < 0.6
    assert max(levels) > 1.15


def test_a_class_gets_a_light_of_its_own_and_what_has_no_class_keeps_its_own() -> None:
    labels = np.repeat(np.array([0, 1, VOID], np.uint8), 40)[None].repeat(60, 0)
    image = np.full((60, 120, 3), 120, np.uint8)
    seen = set()
    for seed in range(40):
        lit = relight_regions(image, labels, np.random.default_rng(seed), 1.0)
        assert (lit[:, 85:] == 120).all()
        assert all(len(np.unique(lit[:, part].reshape(-1, 3), axis=0)) == 1 for part in (slice(0, 35), slice(45, 75)))
        seen.add((bool((lit[0, 0] != 120).any()), bool((lit[0, 60] != 120).any())))
        assert (lit[0, 0] != lit[0, 60]).any() or (lit == 120).all()
    assert len(seen) == 4  # either, both, none
    assert (image == 120).all()
