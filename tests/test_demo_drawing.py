"""The ways to draw on the demo's canvas: colour and id never disagree."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from pipeline.sources.demo.camera import Camera
from pipeline.sources.demo.canvas import Canvas
from pipeline.sources.demo.conditions import conditions_of
from pipeline.sources.demo.surface import draw_quad, draw_stencil, draw_upright
from pipeline.sources.demo.texture import Stencil, Texture, cutout, halvings, solid

SMALL = (180, 320)


def brushes() -> Iterator[tuple[str, Canvas]]:
    """Every way to draw, each on a fresh canvas of colour 0 and id 0, in colours that are never 0."""
    conditions = conditions_of(1)
    view = Camera(conditions, SMALL).look(0.0, 0.0, 0.0)
    rng = np.random.default_rng(0)
    paint = rng.uniform(90, 250, (40, 60, 3)).astype(np.float32)
    disc = np.zeros((40, 60), np.float32)
    cv2.circle(disc, (30, 20), 18, 1.0, -1)
    corners = ((40.0, 30.0), (170.5, 50.2), (168.0, 120.0), (38.3, 150.7))
    for name in ("polygon", "box", "far wall", "near wall", "fence", "figure", "cut figure", "tree", "cut tree"):
        canvas = Canvas(SMALL)
        if name == "polygon":
            canvas.polygon([(10.2, 5.5), (300.7, 60.1), (80.0, 170.9)], (90, 120, 200), 13)
        elif name == "box":
            canvas.box(-20.0, 3.4, 90.6, 90.2, (90, 120, 200), 5)
        elif name == "far wall":
            draw_quad(canvas, view, solid(paint, 2), corners, 30.0, 2)
        elif name == "near wall":
            small: Texture = solid(paint[:8, :8], 2)
            draw_quad(canvas, view, small, ((-900.0, -600.0), (170.0, 50.0), (168.0, 120.0), (-900.0, 900.0)), 3.0, 2)
        elif name == "fence":
            draw_quad(canvas, view, cutout(paint, disc), corners, 30.0, 4)
        elif name in ("figure", "cut figure"):
            x = 60.0 if name == "figure" else -20.0
            draw_upright(canvas, view, halvings(cutout(paint, disc).pixels, 3), (x, 20.3, x + 81, 110.9), 20.0, 40)
        else:
            x = 60.0 if name == "tree" else 290.0
            draw_stencil(canvas, view, Stencil(cutout(paint, disc), 8, 4), (x, -10.3, x + 81, 110.9), 20.0, True)
        yield name, canvas


def test_colour_and_id_are_always_drawn_at_the_same_pixels() -> None:
    for name, canvas in brushes():
        coloured = canvas.pixels[..., :3].any(axis=2)
        named = canvas.pixels[..., 3] != 0
        assert np.count_nonzero(named) > 100, name
        assert np.array_equal(coloured, named), name
        assert len(np.unique(canvas.pixels[named][:, 3])) == 1, name


def test_what_is_brighter_than_white_is_white() -> None:
    canvas = Canvas((20, 30))
    canvas.box(2, 3, 10, 12, (270.4, 300.0, 120.6), 5)
    assert canvas.pixels[5, 5].tolist() == [255, 255, 120, 5]
    canvas.polygon([(15, 3), (25, 3), (25, 12), (15, 12)], (270.4, 300.0, 120.6), 6)
    assert canvas.pixels[6, 20].tolist() == [255, 255, 121, 6]


def test_darkening_leaves_the_ids_alone() -> None:
    canvas = Canvas(SMALL)
    canvas.pixels[...] = (100, 100, 100, 13)
    canvas.darken(np.array([(20, 20), (200, 30), (100, 150)], np.float32), 0.5)
    assert np.all(canvas.pixels[..., 3] == 13)
    assert canvas.pixels[60, 100, 0] == 50
    assert canvas.pixels[5, 5, 0] == 100
