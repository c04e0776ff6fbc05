"""What is evidence, as a user writes it: what a condition is true of, and where in its text a mistake is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from evidence_parts import CLASSES, found
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.evidence.conditions import COMPARE, check_classes, parse
from pipeline.evidence.watching import Watcher
from pipeline.image import Image
from pipeline.types import Frame, Labels, Scene


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "age, error or a class"),
        ("person area>2", 14, "% or px"),
        ("person area>", 13, "a number"),
        ("person area 2%", 13, "one of > >= < <="),
        ("person size>2%", 8, "area, score or count"),
        ("person area>120%", 13, "at most 100 %"),
        ("truck score>8", 13, "a score of 0 to 1"),
        ("person count>=1.5", 15, "a whole number"),
        ("person count>1 count<5", 16, "one count"),
        ("age>200", 8, "ms or s"),
        ("age<200ms", 4, "> or >="),
        ("age>200ms person", 11, "nothing more"),
        ("person age>2s", 8, "area, score or count behind a class"),
        (">2%", 1, "age, error or a class"),
        ("person & car", 8, "a comparison"),
        ('"person', 1, "a second quote"),
        ('"" area>2%', 1, "a class inside the quotes"),
    ],
)
def test_what_is_wrong_is_named_with_its_column(text: str, column: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert f"column {column}: " in caught.value.message
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("person", "person"),
        ("traffic light", "traffic light"),
        ("traffic light area>2%", "traffic light"),
        ('"age" area > 2 %', "age"),
        ('  "error"  ', "error"),
        ("trailer-2 score>=.5", "trailer-2"),
    ],
)
def test_a_class_may_have_several_words(text: str, name: str) -> None:
    assert (parse(text).kind, parse(text).name) == ("class", name)


@given(
    st.text(max_size=40) | st.lists(st.sampled_from(["age", "person", ">", "2", "%", "px", '"', " "])).map("".join)
)
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_condition_or_an_error_with_a_column(text: str) -> None:
    try:
        said = parse(text).text
    except ConfigError as error:
        said = error.message.partition(", column")[0].removeprefix("--on ")
        text = repr(text)
    assert said == text


@given(
    st.sampled_from(list(COMPARE)),
    st.floats(0, 20, width=16),
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([0.3, 0.6, 0.9])), max_size=3),
)
@settings(max_examples=100, deadline=None)
def test_a_condition_is_true_of_what_it_says(op: str, percent: float, sizes: list[tuple[int, int, float]]) -> None:
    condition = parse(f"person area{op}{percent:f}% score>0.5")
    boxes = [(0, 0, width, height) for width, height, _ in sizes]
    seen = found(*boxes)
    seen.scores[:] = [score for *_, score in sizes]
    scene = Scene(Frame(0, 0, Fraction(1), 0.0, Image((np.zeros((100, 100, 3), np.uint8),), "bgr24")), seen)
    truth = any(
        COMPARE[op](width * height / 10_000, float(f"{percent:f}") / 100) and s > 0.5 for width, height, s in sizes
    )
    assert bool(Watcher([condition]).look(scene, 0.0)) == truth


def test_label_pixels_count_by_their_share() -> None:
    labels = np.ones((100, 100), np.uint8)
    scene = Scene(
        Frame(0, 0, Fraction(1), 0.0, Image((np.zeros((100, 100, 3), np.uint8),), "bgr24")),
        labels=Labels(labels, CLASSES),
    )
    for count, on, true in (
        (9, "person", False),
        (10, "person", True),
        (200, "person area>2%", False),
        (201, "person area>200px", True),
    ):
        labels[:] = 1
        labels.reshape(-1)[:count] = 0
        assert bool(Watcher([parse(on)]).look(scene, 0.0)) is true


def test_an_unknown_class_and_a_score_of_pixels_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'person'"):
        check_classes([parse("persn area>2%")], ["person"], [])
    with pytest.raises(ConfigError, match="pixels only"):
        check_classes([parse("road score>0.5")], ["person"], ["road"])
