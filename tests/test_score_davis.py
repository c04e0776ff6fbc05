"""`dashmask score --format davis` says what DAVIS' evaluation says, as TrackEval has taken it over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command import dashmask
from followed_squares import film, followed
from numpy.typing import NDArray
from references import run_reference

pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")

U8 = NDArray[np.uint8]
OFFICIAL = """
import contextlib, io, json, sys
import trackeval
from trackeval.metrics.j_and_f import JAndF
truth, trackers, optimised = sys.argv[1:4]
with contextlib.redirect_stdout(io.StringIO()):
    data = trackeval.datasets.DAVIS({
        "GT_FOLDER": truth, "TRACKERS_FOLDER": trackers, "TRACKERS_TO_EVAL": ["ours"], "PRINT_CONFIG": False})
    kind = JAndF()
    kind.optim_type = optimised
    films = {
        film: kind.eval_sequence(data.get_preprocessed_seq_data(data.get_raw_seq_data("ours", film), "general"))
        for film in data.seq_list
    }
    said = kind.combine_sequences(films)
print(json.dumps({key: float(value) for key, value in said.items()}))
"""
FIGURES = [f"{kind}-{name}" for kind in "JF" for name in ("Mean", "Recall", "Decay")]


def small(pictures: list[NDArray[np.uint16]], names: dict[int, int] | None = None) -> list[U8]:
    """Numbers from 1, or others."""
    numbers = sorted({int(one) for picture in pictures for one in np.unique(picture)} - {0})
    names = names or {number: place for place, number in enumerate(numbers, 1)}
    table = np.zeros(1 << 16, np.uint8)
    for number, place in names.items():
        table[number] = place
    return [table[picture] for picture in pictures]


def films(seed: int) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Truth and what was found, under the same numbers unless missed; every object is in the first frame."""
    random = np.random.default_rng(seed)
    truth, found = {}, {}
    for name, frames, objects in (("bus", 13, 3), ("cow", 10, 2)):
        pictures = film(random, [1] * objects, frames)
        pictures[0] = np.zeros_like(pictures[0])
        for place in range(objects):
            pictures[0][10 : 20 + place, 10 + 30 * place : 25 + 30 * place] = 1001 + place
        seen = followed(random, pictures)
        truth[name] = small(pictures)
        found[name] = small(seen, {1101 + place: place + 1 for place in range(objects)})
    return truth, found


def written(folder: Path, what: dict[str, list[Any]], first: int = 0, last: int | None = None) -> Path:
    for name, pictures in what.items():
        (folder / name).mkdir(parents=True)
        for frame, picture in enumerate(pictures[first:last]):
            cv2.imwrite(str(folder / name / f"{frame:05}.png"), picture)
    return folder


def scored(found: Path, truth: Path, *words: str) -> dict[str, Any]:
    said = dashmask("score", found, truth, "--format", "davis", "--json", found.parent / "o.json", *words)
    assert said.code == 0, said.err
    assert "J&F" in said.out
    what: dict[str, Any] = json.loads((found.parent / "o.json").read_text())
    return what


@pytest.mark.parametrize("seed", range(3))
def test_the_first_and_the_last_frame_do_not_count_and_the_rest_is_as_the_reference_has_it(
    seed: int, tmp_path: Path
) -> None:
    truth, found = films(seed)
    what = scored(written(tmp_path / "found", found), written(tmp_path / "truth", truth), "--strict")
    inner = (
        written(tmp_path / "inner", truth, 1, -1),
        written(tmp_path / "trackers/ours/data", found, 1, -1).parents[1],
    )
    said = run_reference("trackeval", OFFICIAL, *inner, "J&F")
    ours = what["davis"]
    assert {name: ours[name] for name in FIGURES} == pytest.approx({name: said[name] for name in FIGURES}, abs=1e-9)
    assert ours["J&F-Mean"] == pytest.approx(said["J&F"], abs=1e-9)
    assert 0.2 < ours["J&F-Mean"] < 0.95
    assert list(ours["objects"]) == ["bus_1", "bus_2", "bus_3", "cow_1", "cow_2"]


@pytest.mark.parametrize("seed", range(2))
def test_unsupervised_every_frame_counts_and_numbers_are_paired(seed: int, tmp_path: Path) -> None:
    truth, found = films(seed)
    names = np.arange(256, dtype=np.uint8)
    names[[1, 2, 3]] = [2, 3, 1]
    other = {name: [names[picture] for picture in pictures] for name, pictures in found.items()}
    for picture in other["bus"][4:]:
        picture[80:90, 5:40][picture[80:90, 5:40] == 0] = 7  # a proposal that is nothing
    where = written(tmp_path / "trackers/ours/data", other)
    what = scored(where, written(tmp_path / "truth", truth), "--task", "unsupervised", "--strict")
    said = run_reference("trackeval", OFFICIAL, tmp_path / "truth", tmp_path / "trackers", "J&F")
    ours = what["davis"]
    assert {name: ours[name] for name in FIGURES} == pytest.approx({name: said[name] for name in FIGURES}, abs=1e-9)
    assert ours["J&F-Mean"] == pytest.approx(said["J&F"], abs=1e-9)


def test_only_numbers_that_are_used_are_paired_unsupervised(tmp_path: Path) -> None:
    """An object that is there in one frame of eight would be found best by a proposal that is never there."""
    truth, found = films(1)
    for pictures in truth.values():
        for picture in pictures[2:]:
            picture[picture == 1] = 0
    where = written(tmp_path / "trackers/ours/data", found)
    what = scored(where, written(tmp_path / "truth", truth), "--task", "unsupervised", "--strict")
    said = run_reference("trackeval", OFFICIAL, tmp_path / "truth", tmp_path / "trackers", "J&F")
    ours = what["davis"]
    assert {name: ours[name] for name in FIGURES} == pytest.approx({name: said[name] for name in FIGURES}, abs=1e-9)


def test_what_is_found_where_the_truth_is_not_sure_does_not_count_unsupervised(tmp_path: Path) -> None:
    truth, found = films(1)
    for frame, picture in enumerate(truth["bus"]):
        picture[5:60, 30 + frame : 60 + frame] = 255
    where = written(tmp_path / "trackers/ours/data", found)
    what = scored(where, written(tmp_path / "truth", truth), "--task", "unsupervised", "--strict")
    said = run_reference("trackeval", OFFICIAL, tmp_path / "truth", tmp_path / "trackers", "J&F")
    ours = what["davis"]
    assert {name: ours[name] for name in FIGURES} == pytest.approx({name: said[name] for name in FIGURES}, abs=1e-9)


def test_a_film_of_six_frames_worked_by_hand(tmp_path: Path) -> None:
    def square(left: int, side: int = 20) -> U8:
        picture = np.zeros((100, 100), np.uint8)
        picture[10:30, left : left + side] = 1
        return picture

    truth = [square(10)] * 5 + [np.zeros((100, 100), np.uint8)]
    found = [square(60), square(10), square(15), square(20), square(10, 5), square(60)]  # ends do not count
    what = scored(written(tmp_path / "found", {"bus": found}), written(tmp_path / "truth", {"bus": truth}))["davis"]
    j = [1, 15 / 25, 10 / 30, 5 / 20]
    assert what["J-Mean"] == pytest.approx(sum(j) / 4)
    assert what["J-Recall"] == pytest.approx(2 / 4)
    # Bins end at frames 1, 2, 3, 3 and 4 (1.75, 2.5 and 3.25 rounded): the first holds two frames, the last two.
    assert what["J-Decay"] == pytest.approx((j[0] + j[1]) / 2 - (j[2] + j[3]) / 2)


def test_what_is_neither_there_nor_found_is_right(tmp_path: Path) -> None:
    there, nothing = np.zeros((60, 60), np.uint8), np.zeros((60, 60), np.uint8)
    there[20:40, 20:40] = 1
    truth = {"bus": [there, there, nothing, nothing, there]}
    what = scored(written(tmp_path / "found", truth), written(tmp_path / "truth", truth))["davis"]
    assert [what[name] for name in ("J&F-Mean", "J-Mean", "F-Mean", "J-Decay")] == [1, 1, 1, 0]


def test_a_film_without_a_frame_between_its_ends_is_named(tmp_path: Path) -> None:
    truth, found = films(2)
    whole = scored(written(tmp_path / "a/found", found), written(tmp_path / "a/truth", truth))["davis"]
    truth["zoo"], found["zoo"] = truth["bus"][:2], found["bus"][:2]
    what = scored(written(tmp_path / "b/found", found), written(tmp_path / "b/truth", truth))
    assert what["davis"] == whole
    assert what["left_out"]["files"] == [
        {"name": "zoo", "reason": "no frame between the first and the last: no J and F"}
    ]


def test_numbers_that_the_first_frame_does_not_have_are_named_and_do_not_count(tmp_path: Path) -> None:
    truth, found = films(0)
    whole = scored(written(tmp_path / "a/found", found), written(tmp_path / "truth", truth))["davis"]
    edge = np.arange(128) > 120
    found["cow"] = [np.where((picture == 0) & edge, 300, picture.astype(np.uint16)) for picture in found["cow"]]
    what = scored(written(tmp_path / "b/found", found), tmp_path / "truth")
    assert what["davis"] == whole
    (left,) = what["left_out"]["files"]
    assert left["name"] == "cow"
    assert "object 300 is none of the film's 2" in left["reason"]
    words = ("score", tmp_path / "b/found", tmp_path / "truth", "--format", "davis")
    assert "object 300" in dashmask(*words, "--strict").err
    assert "unsupervised" in dashmask(*words, "--task", "supervised").err


def test_a_missing_frame_and_one_of_another_size_count_as_nothing_found(tmp_path: Path) -> None:
    truth, found = films(1)
    written(tmp_path / "found", found)
    whole = scored(tmp_path / "found", written(tmp_path / "truth", truth))
    (tmp_path / "found/bus/00003.png").unlink()
    cv2.imwrite(str(tmp_path / "found/cow/00004.png"), np.zeros((8, 8), np.uint8))
    what = scored(tmp_path / "found", tmp_path / "truth")
    assert what["missing"]["images"] == ["bus/00003"]
    assert "00004.png is 8x8" in what["left_out"]["files"][0]["reason"]
    assert what["davis"]["J&F-Mean"] < whole["davis"]["J&F-Mean"]
