"""`dashmask score --format mots` says what TrackEval says, of text files and of PNGs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command import dashmask
from followed_squares import SIZE_HW, Numbers, film, followed
from references import run_reference

from pipeline.rle import encode_crop

pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")

REGION = 10000
OFFICIAL = """
import contextlib, io, json, sys
import numpy as np
import trackeval
truth, trackers, lengths = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
config = {"PRINT_CONFIG": False}
with contextlib.redirect_stdout(io.StringIO()):
    data = trackeval.datasets.KittiMOTS({
        "GT_FOLDER": truth, "TRACKERS_FOLDER": trackers, "TRACKERS_TO_EVAL": ["ours"], "SEQ_INFO": lengths,
        "GT_LOC_FORMAT": "{gt_folder}/{seq}.txt", **config})
    kinds = {"clear": trackeval.metrics.CLEAR(config), "hota": trackeval.metrics.HOTA()}
    said = {}
    for name in ("car", "pedestrian"):
        films = {}
        for film in lengths:
            whole = data.get_preprocessed_seq_data(data.get_raw_seq_data("ours", film), name)
            films[film] = {key: kind.eval_sequence(whole) for key, kind in kinds.items()}
        for film in lengths:
            figures = {}
            for kind in kinds:
                figures |= films[film][kind]
            said[name + film] = {key: float(np.mean(value)) for key, value in figures.items()}
        figures = {}
        for key, kind in kinds.items():
            figures |= kind.combine_sequences({film: one[key] for film, one in films.items()})
        said[name] = {key: float(np.mean(value)) for key, value in figures.items()}
print(json.dumps(said))
"""
THEIRS = {
    **{"sMOTSA": "sMOTA", "MOTSA": "MOTA", "MOTSP": "MOTP", "MODSA": "MODA", "MOTSAL": "MOTAL"},
    **{"Recall": "CLR_Re", "Prec": "CLR_Pr", "F1": "CLR_F1", "TP": "CLR_TP", "FP": "CLR_FP", "FN": "CLR_FN"},
    **{"IDS": "IDSW", "Frag": "Frag", "MT": "MT", "PT": "PT", "ML": "ML"},
    **{name: name for name in ("HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe", "AssPr", "LocA")},
}


def lines(picture: Numbers, frame: int) -> str:
    """A frame as MOTS' text."""
    height, width = picture.shape
    numbers = [int(number) for number in np.unique(picture) if number]
    counts = [encode_crop(picture == number, (0, 0), picture.shape) for number in numbers]
    return "".join(
        f"{frame} {number} {number // 1000} {height} {width} {text}\n"
        for number, text in zip(numbers, counts, strict=True)
    )


def written(folder: Path, films: dict[str, list[Numbers]], *, pngs: bool = False) -> Path:
    for name, pictures in films.items():
        if pngs:
            (folder / name).mkdir(parents=True)
            for frame, picture in enumerate(pictures):
                cv2.imwrite(str(folder / name / f"{frame:06}.png"), picture)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            text = "".join(lines(picture, frame) for frame, picture in enumerate(pictures))
            (folder / f"{name}.txt").write_text(text)
    return folder


def scored(found: Path, truth: Path, out: Path) -> dict[str, Any]:
    said = dashmask("score", found, truth, "--format", "mots", "--json", out / "o.json", "--strict")
    assert said.code == 0, said.err
    what: dict[str, Any] = json.loads((out / "o.json").read_text())
    assert "sMOTSA" in said.out
    return what["mots"]


# Films without two masks whose IoU is exactly 1/2: a match in TrackEval, none in the paper, in mots_tools and here.
@pytest.mark.parametrize("seed", [1, 2, 6])
def test_figures_are_those_of_trackeval(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    truth = {name: film(random, [1, 2, 1, 1, 2, 1], frames, REGION) for name, frames in (("0002", 24), ("0006", 17))}
    found = {name: followed(random, pictures, REGION) for name, pictures in truth.items()}
    if seed == 6:
        found["0006"] = [np.zeros_like(picture) for picture in found["0006"]]  # a film in which nothing was found
    lengths = json.dumps({name: len(pictures) for name, pictures in truth.items()})
    written(tmp_path / "trackers/ours/data", found)
    ours = scored(tmp_path / "trackers/ours/data", written(tmp_path / "png", truth, pngs=True), tmp_path)
    pictures = scored(written(tmp_path / "found", found, pngs=True), tmp_path / "png", tmp_path)
    assert ours == pictures
    said = run_reference("trackeval", OFFICIAL, written(tmp_path / "txt", truth), tmp_path / "trackers", lengths)
    for name in ("car", "pedestrian"):
        mine = {key: ours["classes"][name][key] for key in THEIRS}
        assert mine == pytest.approx({key: said[name][other] for key, other in THEIRS.items()}, abs=1e-9), name
        assert mine["IDS"] > 0
        assert mine["TP"] > 20
        alone = ours["sequences"]["0002"][name]
        theirs = {key: said[f"{name}0002"][other] for key, other in THEIRS.items()}
        assert {key: alone[key] for key in THEIRS} == pytest.approx(theirs, abs=1e-9), name


def test_figures_of_a_film_of_four_frames_worked_by_hand(tmp_path: Path) -> None:
    def frame(**at: int) -> Numbers:
        """Squares 10 x 10, each with its left edge."""
        picture = np.zeros(SIZE_HW, np.uint16)
        for number, left in at.items():
            picture[20:30, left : left + 10] = int(number[1:])
        return picture

    truth = [frame(n1001=10), frame(n1001=20), frame(n1001=30), frame(n1001=40, n10000=100)]
    found = [
        frame(n1007=10),  # IoU 1
        frame(n1007=22),  # 8 of 12 columns: 2/3
        frame(n1008=34),  # 6 of 14: no match, so a miss and a false alarm
        frame(n1009=40, n1010=103),  # another number than the last match: a switch; the other lies in the region
    ]
    what = scored(
        written(tmp_path / "found", {"0002": found}), written(tmp_path / "truth", {"0002": truth}), tmp_path
    )
    car = what["classes"]["car"]
    assert [car[name] for name in ("TP", "FP", "FN", "IDS", "Frag")] == [3, 1, 1, 1, 1]
    assert car["sMOTSA"] == pytest.approx((1 + 2 / 3 + 1 - 1 - 1) / 4)
    assert car["MOTSA"] == pytest.approx((3 - 1 - 1) / 4)
    assert car["MOTSP"] == pytest.approx((1 + 2 / 3 + 1) / 3)
    assert what["classes"]["pedestrian"]["sMOTSA"] is None


def test_what_is_followed_exactly_is_worth_all(tmp_path: Path) -> None:
    truth = {"0002": film(np.random.default_rng(1), [1, 2, 1], 9)}
    what = scored(written(tmp_path / "found", truth), written(tmp_path / "truth", truth, pngs=True), tmp_path)
    for figures in what["classes"].values():
        assert [figures[name] for name in ("sMOTSA", "MOTSP", "HOTA", "AssA", "IDS")] == [1, 1, 1, 1, 0]


def test_a_seqmap_says_which_sequences_count_and_how_long_they_are(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    truth = {name: film(random, [1, 2, 1], 8) for name in ("0002", "0006", "0011")}
    for name in ("0002", "0006"):
        truth[name][-1][:] = 0  # a text file says nothing of frames without an object
    found = {name: followed(random, pictures) for name, pictures in truth.items() if name != "0011"}
    found["0002"][-1][50:70, 50:70] = 1960
    written(tmp_path / "trackers/ours/data", found)
    written(tmp_path / "truth", truth)
    (tmp_path / "truth/train.seqmap").write_text("0011 empty 000000 000007\n")
    (tmp_path / "truth/val.seqmap").write_text("0002 empty 000000 000007\n0006 empty 000000 000007\n")
    ours = scored(tmp_path / "trackers/ours/data", tmp_path / "truth", tmp_path)
    lengths = json.dumps({"0002": 8, "0006": 8})
    said = run_reference("trackeval", OFFICIAL, tmp_path / "truth", tmp_path / "trackers", lengths)
    for name in ("car", "pedestrian"):
        mine = {key: ours["classes"][name][key] for key in THEIRS}
        assert mine == pytest.approx({key: said[name][other] for key, other in THEIRS.items()}, abs=1e-9), name
    (tmp_path / "truth/val.seqmap").write_text("0002 empty 0\n")
    words = "score", tmp_path / "trackers/ours/data", tmp_path / "truth", "--format", "mots"
    assert "val.seqmap: line 1" in dashmask(*words).err
    assert "2 seqmaps" in dashmask(*words, "--split", "test").err


def test_of_the_whole_data_set_a_split_counts(tmp_path: Path) -> None:
    truth = {name: film(np.random.default_rng(3), [1, 2], 4) for name in ("0002", "0003")}
    written(tmp_path / "data/instances", truth, pngs=True)
    (tmp_path / "data/training").mkdir()
    found = written(tmp_path / "found", {"0002": truth["0002"]})
    assert list(scored(found, tmp_path / "data", tmp_path)["sequences"]) == ["0002"]
