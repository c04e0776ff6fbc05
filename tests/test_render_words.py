"""Names, legend and status are there when asked for, where there is room for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scenes_to_draw import CITY, UNTOUCHED, changed, ellipses, frame, render, yuv

from pipeline.render.colours import legible
from pipeline.render.panels import Legend, Panels
from pipeline.render.tags import Places
from pipeline.render.text import Font, drawing_order
from pipeline.types import VOID, Classes, Labels, Scene


def test_names_legend_and_status_are_there_only_when_asked_for() -> None:
    image, found = yuv(360, 480), ellipses([(200, 150, 300, 250)], [1])
    scene = Scene(frame(image), found)
    assert not changed(render(scene, "25 fps", **UNTOUCHED)).any()
    assert not changed(render(scene, None, **UNTOUCHED | {"status": True})).any()
    status = changed(render(scene, "25 fps", **UNTOUCHED | {"status": True}))
    assert status[330:, :100].any()
    assert not status[:330].any()
    legend = changed(render(scene, **UNTOUCHED | {"legend": True}))
    assert legend[:40, :100].any()
    assert not legend[40:].any()
    for only in ("names", "scores"):
        tag = changed(render(scene, **UNTOUCHED | {only: True}))
        assert tag[130:150, 200:].any()
        assert not tag[150:].any()


def test_names_do_not_cover_each_other_nor_objects_nor_what_is_reserved() -> None:
    boxes = [(100, 100, 180, 160), (104, 100, 180, 160), (300, 4, 380, 60), (0, 200, 20, 230), (620, 300, 640, 359)]
    reserved = (0, 0, 90, 200)
    places = Places((360, 640), boxes, [reserved])
    taken = [reserved]
    for box in [*boxes, *[boxes[0]] * 20]:
        spot = places.take(box, 60, 16)
        if spot is None:
            continue
        x, y = spot
        assert (x % 2, y % 2) == (0, 0)
        assert 0 <= x <= 640 - 60
        assert 0 <= y <= 360 - 16
        for x0, y0, x1, y1 in taken:
            assert x + 60 <= x0 or x >= x1 or y + 16 <= y0 or y >= y1
        taken.append((x, y, x + 60, y + 16))
    assert 6 <= len(taken) <= 11  # there is room for some, not for all


def seen(pts: int, instances: Sequence[int], labels: Sequence[int] = ()) -> Scene:
    ids = np.full((64, 64), VOID, np.uint8)
    for i, label in enumerate(labels):
        ids[8 * i : 8 * i + 8] = label
    found = ellipses([(0, 0, 8, 8)] * len(instances), instances)
    return Scene(frame(yuv(64, 64), pts), found, Labels(ids, CITY) if labels else None)


def test_the_legend_keeps_its_order_and_a_class_for_a_second() -> None:
    legend = Legend()

    def names(*what: Any) -> list[str]:
        return [name for name, _ in legend.update(seen(*what))]

    assert names(0, [2, 0]) == ["person", "truck"]
    assert names(1, [0]) == ["person", "truck"]
    assert names(2, [1, 0], [2, 0]) == ["road", "sky", "person", "car", "truck"]
    assert names(12, [0]) == ["road", "sky", "person", "car"]  # a second later, at ten frames a second
    assert names(13, []) == ["person"]
    assert names(14, [1], [1]) == ["car", "person"]  # of both models, once
    assert names(3, [2]) == ["truck"]  # the source began again


def test_the_legend_leaves_out_objects_that_have_a_colour_of_their_own() -> None:
    found = ellipses([(0, 0, 8, 8)] * 3, [0, 1, 2])
    numbered = replace(found, track_ids=np.array([7, 0, 8]))
    one = Scene(frame(yuv(64, 64)), numbered)
    assert [name for name, _ in Legend(by_track=True).update(one)] == ["car"]
    assert [name for name, _ in Legend(by_track=False).update(one)] == ["person", "car", "truck"]
    assert len(Legend(by_track=True).update(Scene(frame(yuv(64, 64)), found))) == 3


def test_the_legend_shows_every_colour_that_a_name_is_drawn_in() -> None:
    scene = seen(0, [1], [1])
    assert scene.labels is not None
    assert [name for name, _ in Legend().update(scene)] == ["car"]  # the same colour in both networks
    other = replace(scene.labels, classes=Classes(CITY.names, ((128, 64, 128), (190, 80, 20), (70, 130, 180))))
    entries = Legend().update(replace(scene, labels=other))
    assert entries == [("car", (190, 80, 20)), ("car", legible((0, 0, 142)))]


def test_a_name_too_long_for_the_picture_is_shortened_and_its_score_stays() -> None:
    font = Font(11)
    short = font.shortened("traffic light out of order " * 5, 160)
    assert short.startswith("traffic light")
    assert short.endswith("...")
    assert 120 < font.line(short)[0].shape[1] <= 160
    assert font.shortened("traffic light", 160) == "traffic light"
    found = replace(ellipses([(100, 100, 200, 200)], [0]), classes=Classes(("n" * 90,), ((220, 20, 60),)))
    scene = Scene(frame(yuv(240, 320)), found)
    tag = changed(render(scene, **UNTOUCHED | {"names": True, "scores": True})).any(0)
    assert 160 < tag.nonzero()[0].max() < 318
    assert changed(render(scene, **UNTOUCHED | {"legend": True}))[:30, 10:160].mean() > 0.5


@pytest.mark.parametrize("size_hw", [(240, 320), (720, 1280), (1920, 1080), (600, 2560)])
def test_a_legend_too_large_for_the_picture_says_how_many_classes_it_leaves_out(size_hw: tuple[int, int]) -> None:
    panels = Panels(Font(max(11, round(3.5 + min(size_hw) / 64))), size_hw)
    entries = [(f"class number {number}", (200, 10, 10)) for number in range(900)]
    columns = panels.legend_columns(entries)
    rows = [row for _, column, _ in columns for row in column]
    assert rows[-1] == (f"+ {900 - (len(rows) - 1)} more", None)
    assert rows[:-1] == entries[: len(rows) - 1]
    assert all(box[2] <= size_hw[1] // 2 and box[3] < size_hw[0] for box, _, _ in columns)
    few = panels.legend_columns(entries[:5])
    assert [row for _, column, _ in few for row in column] == entries[:5]


def test_a_status_line_wider_than_the_picture_is_broken_between_its_parts() -> None:
    panels = Panels(Font(11), (240, 320))
    one = panels.status_box("30.0 fps   12.34 s")
    two = panels.status_box("30.0 fps   12.34 s   at 512x288 bf16   dropped 312   mean IoU 0.688")
    assert two[2] < 320 - 4
    assert two[3] < 240
    assert 1.6 < (two[3] - two[1]) / (one[3] - one[1]) < 2.6


def test_what_is_no_letter_is_drawn_as_a_question_mark() -> None:
    assert (Font(20).line("caf\udce9")[0] == Font(20).line("caf?")[0]).all()


def test_hebrew_and_arabic_names_are_drawn_from_right_to_left() -> None:
    train, green = "\u05e7\u05d8\u05e8", "\u05d9\u05e8\u05d5\u05e7"  # kof tet resh; yod resh vav kof
    assert drawing_order(f"{train} 7 0.88") == f"{train[::-1]} 7 0.88"
    assert drawing_order(f"{train} {green} 12") == f"{green[::-1]} {train[::-1]} 12"
    assert drawing_order(f"{train}12") == f"12{train[::-1]}"
    assert drawing_order("\u0633\u064a\u0627\u0631\u0629") == "\u0629\u0631\u0627\u064a\u0633"
    for text in ("car 7", "B\u00fcrgersteig", "\u81ea\u884c\u8eca 0.5"):
        assert drawing_order(text) == text
    font = Font(20)
    alone, second = font.line(green)[0], font.line(f"{train} {green}")[0]
    width = alone.shape[1] - 8  # without the padding behind it
    np.testing.assert_array_equal(second[:, :width], alone[:, :width])
