"""The table of driving classes and the colours of all others."""

from __future__ import annotations

import itertools

import pytest

from pipeline.classes import COLOUR_BY_NAME, DRIVING, LABEL_IDS, THINGS, colours_for, spread_colours


def test_the_table_is_that_of_cityscapes() -> None:
    assert len(DRIVING) == len(LABEL_IDS) == 19
    by_label_id = dict(zip(LABEL_IDS, DRIVING.names, strict=True))
    assert by_label_id[7] == "road"
    assert by_label_id[17] == "pole"
    assert by_label_id[26] == "car"
    assert by_label_id[33] == "bicycle"
    assert list(LABEL_IDS) == sorted(set(LABEL_IDS))
    assert DRIVING.colours[DRIVING.names.index("wall")] == (102, 102, 156)
    assert DRIVING.colours[DRIVING.names.index("fence")] == (190, 153, 153)


def test_things_are_what_can_be_counted() -> None:
    names = [DRIVING.names[train_id] for train_id in THINGS]
    assert names == ["person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"]


@pytest.mark.parametrize("n", [0, 1, 19, 80, 150, 1000, 4083])
def test_spread_colours_are_distinct_and_neither_black_nor_white(n: int) -> None:
    colours = spread_colours(n)
    assert len(set(colours)) == len(colours) == n
    for colour in colours:
        assert max(colour) >= 96
        assert min(colour) <= 192


def test_twenty_spread_colours_are_easy_to_tell_apart() -> None:
    pairs = itertools.combinations(spread_colours(20), 2)
    assert min(sum(abs(p - q) for p, q in zip(a, b, strict=True)) for a, b in pairs) > 40


def test_a_longer_list_of_colours_begins_with_the_shorter_one() -> None:
    assert spread_colours(80)[:20] == spread_colours(20)


def test_more_classes_than_there_are_colours_share_them() -> None:
    names = ["person", *(f"class {k}" for k in range(13_204))]
    colours = colours_for(names)
    assert len(colours) == len(names)
    assert colours[0] not in colours[1:]
    assert colours[1 : 1 + 4083] == colours[1 + 4083 : 1 + 2 * 4083] == spread_colours(4083)


def test_known_names_get_the_colours_of_cityscapes() -> None:
    assert colours_for(["Person", "traffic light", "motorbike"]) == (
        COLOUR_BY_NAME["person"],
        COLOUR_BY_NAME["traffic light"],
        COLOUR_BY_NAME["motorcycle"],
    )


def test_unknown_names_get_colours_of_their_own() -> None:
    names = ["person", "giraffe", "car", "toaster", "bus", *(f"class {k}" for k in range(75))]
    colours = colours_for(names)
    assert len(set(colours)) == len(names)
    assert colours == colours_for(names)
