"""The report of an evaluation: one page that needs nothing else, with everything said that was left out."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import dashmask
from marked_images import Marked, Quiet, config, labelled, marked
from tiny_models import yolo_seg

from pipeline.evaluation.evaluate import evaluate, evaluation_report
from pipeline.evaluation.report import Worst, write_page
from pipeline.evaluation.report.charts import bars, confusion, precision_recall
from pipeline.evaluation.report.page import html
from pipeline.evaluation.report.said import unmapped

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
pytest.importorskip("pycocotools", reason="no pycocotools here: install the extra `eval`")
pytest.importorskip("matplotlib", reason="no matplotlib here: install the extra `eval`")

PERSON, CAR = (8, 20, 30, 44), (34, 10, 60, 50)


class Page(HTMLParser):
    """What a page refers to, and what it says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.opened: list[str] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.said += data + " "


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Worst]:
    """Fifteen images, some worse than others, two of them broken."""
    folder = tmp_path_factory.mktemp("report")
    model = yolo_seg(
        folder / "two.onnx", np.array([(0, 0, 4, 4), PERSON, (1, 1, 5, 5), CAR]), [0, 0, 1, 1], [0.0, 0.9, 0.0, 0.8]
    )
    good, bad = marked([PERSON, CAR], [0, 1]), marked([PERSON, (0, 0, 9, 9)], [0, 1])
    worst = Worst()
    data = labelled(Marked([good, bad, good, good, None], 3))
    what = evaluation_report(evaluate(data, config(model), Quiet(), seen=worst))
    what["left_out"]["files"][0]["name"] = "<script>alert(1)</script>\udce9.png"  # no UTF-8
    return write_page(folder / "out", what, worst), worst


def test_the_page_needs_no_other_file_and_no_network(report: tuple[Path, Worst]) -> None:
    page = Page(report[0].read_text())
    assert page.sources
    assert all(source.startswith("data:image/") for source in page.sources)
    assert not re.search(r"https?://(?!www\.w3\.org)|@import|url\(", report[0].read_text())
    for source in page.sources:
        kind, _, data = source.partition(";base64,")
        raw = base64.b64decode(data)
        if kind == "data:image/jpeg":
            assert cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR) is not None
        else:
            assert raw.lstrip().startswith(b"<?xml")
    assert "script" not in page.opened


def test_the_page_says_what_was_found_how_fast_and_what_was_left_out(report: tuple[Path, Worst]) -> None:
    said = Page(report[0].read_text()).said
    for words in (
        "mask AP",
        "mean IoU",
        "frames a second",
        "latency",
        "12 images were scored, 3 left out",
        "is cut off",
    ):
        assert words in said, words
    assert r"<script>alert(1)</script>\udce9.png" in said  # as text
    figures = json.loads((report[0].parent / "report.json").read_text())
    assert figures["left_out"]["count"] == 3


def test_the_worst_images_come_first_and_no_more_than_twelve(report: tuple[Path, Worst]) -> None:
    frames = report[1].frames()
    assert len(frames) == 12
    assert [round(frame.quality, 6) for frame in frames] == [0.5] * 3 + [1] * 9
    assert [frame.name for frame in frames[:4]] == ["1.png", "6.png", "11.png", "0.png"]
    few = Worst(2)
    for frame in frames:
        assert len(few.frames()) <= 2
        assert frame.found != frame.truth


def test_it_is_said_how_many_images_no_network_looked_at(models: tuple[Path, Path], tmp_path: Path) -> None:
    table, out = tmp_path / "t.yaml", tmp_path / "page"
    table.write_text("classes: [sky, road]\nnetwork: {blue: sky, green: road}\ndataset: {sky: sky, road: road}\n")
    words = ("--dataset", "demo:size=320x192,frames=6", "-m", models[0], "--mapping", table, "--report", out)
    said = dashmask("eval", *words, "--backend", "onnxruntime-cpu", "--set", "track.carry=2")
    assert said.code == 0, said.err
    assert "6 images (4 of them carried), 0 left out" in " ".join(said.out.split())
    assert "At 4 of them the networks did not look" in Page((out / "index.html").read_text()).said


def test_label_maps_get_a_page_too(models: tuple[Path, Path], tmp_path: Path) -> None:
    table, out = tmp_path / "t.yaml", tmp_path / "page"
    table.write_text("classes: [sky, road]\nnetwork: {blue: sky, green: road}\ndataset: {sky: sky, road: road}\n")
    words = ("--dataset", "demo:size=128x96,frames=3", "-m", models[0], "--mapping", table, "--report", out)
    said = dashmask("eval", *words, "--backend", "onnxruntime-cpu", "--boundary")
    assert said.code == 0, said.err
    assert str(out / "index.html") in said.err
    page = Page((out / "index.html").read_text())
    for words in ("Label maps", "Confusion", "The worst 3 images", "pixel accuracy", "boundary IoU", "Not scored"):
        assert words in page.said, words
    for name, rgb in (("sky", (70, 130, 180)), ("road", (128, 64, 128))):  # label maps have no names beside them
        assert f'<i style="background: rgb{rgb}"></i>{name}</span>' in (out / "index.html").read_text()


def test_a_class_may_have_any_name() -> None:
    names = [r"a$\nothing$b", "_begins with a line", "$x$", "n" * 200]
    assert bars([(name, (0.5, 0.4)) for name in names], ("mask AP", "box AP")).startswith("<?xml")
    assert confusion(names, [[1, 2, 3, 4, 5]] * 4, "no class").startswith("<?xml")
    curve = {"precision": [1.0, 0.5]}
    curves = {"recall": [0.0, 1.0], "classes": dict.fromkeys(names, curve)}
    few, one = precision_recall(curves, names), precision_recall(curves, names[2:])
    assert few.count('<g id="text_') - one.count('<g id="text_') == 2  # every curve is named


def test_a_report_that_cannot_be_written_is_said_before_the_work(models: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place, says in (("file", "is a file"), ("no/page", "its folder is not there")):
        words = ("--dataset", "demo:size=128x96,frames=3", "-m", models[0], "--report", tmp_path / place)
        said = dashmask("eval", *words)
        assert said.code == 2
        assert says in said.err


def test_an_evaluation_with_nothing_to_measure_is_still_a_page(tmp_path: Path) -> None:
    model = yolo_seg(tmp_path / "two.onnx", np.array([PERSON, CAR]), [0, 1], [0.0, 0.0])
    worst = Worst()
    what = evaluation_report(evaluate(labelled(Marked([marked([], [])])), config(model), Quiet(), seen=worst))
    assert "What was left out" in html(what, worst)


def test_of_many_classes_without_a_place_in_the_table_the_largest_are_named() -> None:
    counts = {f"class {number}": number for number in range(1, 8)}
    pixels = {"scored": 1, "void": 0, "unmapped": {"truth": counts, "predicted": {"mauve": 3}}}
    many, one, objects = unmapped({"pixels": pixels, "objects": {"unmapped": {"truth": counts}}}, 2)
    assert many == "not scored, the mapping leaves them out: class 7 7 px, class 6 6 px and 5 more classes"
    assert one == "counted as misses: mauve 3 px"
    assert objects.endswith(": 7 class 7, 6 class 6 and 5 more classes")
