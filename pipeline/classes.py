"""The 19 driving classes, and a colour for every class of every model.

The table is that of cityscapesScripts (helpers/labels.py); its trainIds are the class ids of this project's
drawn frames and of every network trained on Cityscapes, KITTI or BDD100K.
"""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Iterable, Iterator
from types import MappingProxyType

from pipeline.types import Classes

_STUFF, _THING = False, True
_TABLE = (
    # name, trainId, labelId, (R, G, B), thing or stuff
    ("road", 0, 7, (128, 64, 128), _STUFF),
    ("sidewalk", 1, 8, (244, 35, 232), _STUFF),
    ("building", 2, 11, (70, 70, 70), _STUFF),
    ("wall", 3, 12, (102, 102, 156), _STUFF),
    ("fence", 4, 13, (190, 153, 153), _STUFF),
    ("pole", 5, 17, (153, 153, 153), _STUFF),
    ("traffic light", 6, 19, (250, 170, 30), _STUFF),
    ("traffic sign", 7, 20, (220, 220, 0), _STUFF),
    ("vegetation", 8, 21, (107, 142, 35), _STUFF),
    ("terrain", 9, 22, (152, 251, 152), _STUFF),
    ("sky", 10, 23, (70, 130, 180), _STUFF),
    ("person", 11, 24, (220, 20, 60), _THING),
    ("rider", 12, 25, (255, 0, 0), _THING),
    ("car", 13, 26, (0, 0, 142), _THING),
    ("truck", 14, 27, (0, 0, 70), _THING),
    ("bus", 15, 28, (0, 60, 100), _THING),
    ("train", 16, 31, (0, 80, 100), _THING),
    ("motorcycle", 17, 32, (0, 0, 230), _THING),
    ("bicycle", 18, 33, (119, 11, 32), _THING),
)

DRIVING = Classes(tuple(row[0] for row in _TABLE), tuple(row[3] for row in _TABLE))
LABEL_IDS: tuple[int, ...] = tuple(row[2] for row in _TABLE)  # of Cityscapes and KITTI, by trainId
THINGS: tuple[int, ...] = tuple(row[1] for row in _TABLE if row[4])  # trainIds of what can be counted

_OTHER_NAMES = (  # of other data sets and models, for the same thing
    ("pavement", "sidewalk"),
    ("tree", "vegetation"),
    ("signsymbol", "traffic sign"),
    ("stop sign", "traffic sign"),
    ("pedestrian", "person"),
    ("bicyclist", "rider"),
    ("cyclist", "rider"),
    ("motorbike", "motorcycle"),
    ("bike", "bicycle"),
    ("tram", "train"),
)

COLOUR_BY_NAME = MappingProxyType(
    dict(zip(DRIVING.names, DRIVING.colours, strict=True))
    | {other: DRIVING.colours[DRIVING.names.index(name)] for other, name in _OTHER_NAMES}
)

_GOLDEN_TURN = 0.6180339887498949  # successive multiples, modulo one, stay as far apart as can be
_TONES = ((0.90, 0.95), (0.60, 0.80), (0.95, 0.62), (0.42, 0.95), (0.70, 0.50))  # saturation, value
_TURNS = 7221  # further ones find no colour that is not there already


def spread_colours(n: int) -> tuple[tuple[int, int, int], ...]:
    """n colours (R, G, B), none near black or white; the first ones differ most, the first 4083 are distinct.

    The same n gives the same colours, and a longer list begins with the shorter one.
    """
    return tuple(itertools.islice(_colours(), n))


def _colours() -> Iterator[tuple[int, int, int]]:
    """All colours of the tones, and again from the first."""
    there: dict[tuple[int, int, int], None] = {}
    for turn in range(_TURNS):
        saturation, value = _TONES[turn % len(_TONES)]
        red, green, blue = colorsys.hsv_to_rgb(turn * _GOLDEN_TURN % 1.0, saturation, value)
        colour = round(red * 255), round(green * 255), round(blue * 255)
        if colour not in there:
            there[colour] = None
            yield colour
    yield from itertools.cycle(there)


def colours_for(names: Iterable[str]) -> tuple[tuple[int, int, int], ...]:
    """A colour (R, G, B) for each class name.

    Names of the driving classes, in any case and under their usual other names, get Cityscapes' colours.
    The others get colours of spread_colours that are not taken by one of those.
    """
    names = [name.strip().lower() for name in names]
    taken = {COLOUR_BY_NAME[name] for name in names if name in COLOUR_BY_NAME}
    free = (colour for colour in _colours() if colour not in taken)
    return tuple(COLOUR_BY_NAME[name] if name in COLOUR_BY_NAME else next(free) for name in names)
