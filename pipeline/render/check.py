"""What a user can get wrong in the render section, said before the first frame."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import get_args

from pipeline.config import RenderConfig, View
from pipeline.errors import ConfigError
from pipeline.render.colours import Rgb

GROUNDS: dict[str, Rgb] = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "grey": (128, 128, 128),
    "green": (0, 177, 64),  # the usual chroma key green
    "blue": (0, 71, 187),  # the usual chroma key blue
}


def ground_colour(ground: str) -> Rgb | None:
    """The (R, G, B) of a ground's name or #rrggbb; None for transparent.

    Raises:
        ConfigError: it is neither.
    """
    if ground == "transparent":
        return None
    if ground in GROUNDS:
        return GROUNDS[ground]
    if re.fullmatch(r"#[0-9a-fA-F]{6}", ground):
        red, green, blue = bytes.fromhex(ground[1:])
        return red, green, blue
    known = [*GROUNDS, "transparent"]
    raise ConfigError(
        f"render.ground is {ground!r}, expected {', '.join(known)} or #rrggbb",
        hint=_nearest(ground, known) or "quote a #rrggbb in a shell and in YAML",
    )


def check_config(config: RenderConfig) -> None:
    """Check what does not depend on a model.

    Raises:
        ConfigError: a value out of its range, or two that do not go together.
    """
    if not 0 <= config.alpha <= 1:
        raise ConfigError(f"render.alpha is {config.alpha}, expected 0 (no tint) to 1 (nothing but the colour)")
    if config.view not in get_args(View):
        raise ConfigError(
            f"render.view is {config.view!r}, expected {', '.join(get_args(View))}",
            hint=_nearest(config.view, get_args(View)),
        )
    transparent = ground_colour(config.ground) is None
    if config.cutout and config.view == "masks":
        raise ConfigError(
            "render.cutout keeps parts of the picture, render.view masks shows none of it",
            hint="choose one of the two",
        )
    if config.cutout and transparent and config.view != "overlay":
        raise ConfigError(
            f"a transparent ground needs render.view overlay, not {config.view}",
            hint="choose a colour, for instance --set render.ground=white",
        )


def check_names(config: RenderConfig, names: Sequence[str], looked_for: Sequence[str] | None = None) -> None:
    """Check that every class named in the render section exists and can come out: what is not found is not blurred.

    Args:
        config: the render section.
        names: the classes of all models of the run.
        looked_for: those of them that decode.classes leaves; None: all.

    Raises:
        ConfigError: a class that none of them knows, with the nearest that one does; or that is not looked for.
    """
    for key, wanted in (("blur", config.blur), ("cutout", config.cutout)):
        for name in wanted:
            if name not in names:
                shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
                raise ConfigError(
                    f"render.{key}: no model here knows the class {name!r}",
                    hint=_nearest(name, names) or f"known are {shown}",
                )
            if looked_for is not None and name not in looked_for:
                raise ConfigError(
                    f"render.{key}: {name!r} is not looked for, as decode.classes leaves it out",
                    hint=f"add it to --classes, or leave it out of --{key}",
                )


def _nearest(name: str, names: Sequence[str]) -> str:
    folded = {known.casefold(): known for known in names}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.55)
    return f"did you mean {folded[near[0]]!r}?" if near else ""
