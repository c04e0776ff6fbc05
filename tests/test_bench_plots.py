"""The charts of a benchmark can be read, whatever its cases are called and however fast they are."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="no matplotlib here: install the extra `eval`")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from pipeline.bench.plots import _COLOURS, accuracy, draw, latency, stages

MEASURED = Path(__file__).parents[1] / "benchmarks/results/live-enet.json"
LONG = "a-network-whose-name-says-how-it-was-trained-on-what-for-how-long-by-whom_v2_final, onnxruntime-cpu, 640 px"
NAMES = [LONG, "_begins with a line", "costs $5 or $x^2$, auto", r"a$\nothing$b", "g", "h", "i", "k"]


def measured(*names: str, folder: str = "") -> dict[str, Any]:
    report = json.loads(MEASURED.read_text())
    case = report["cases"][0]
    case["asked"]["long_side"] = None  # as the card has it
    report["cases"] = [copy.deepcopy(case) | {"label": name} for name in names]
    report["source"]["spec"] = folder + report["source"]["spec"]
    return report


@pytest.mark.parametrize("names", [["enet-camvid, auto"], NAMES])
@pytest.mark.parametrize("chart", [stages, latency, accuracy])
def test_all_words_of_a_chart_are_inside_it_and_leave_it_room(chart: Any, names: list[str]) -> None:
    report = measured(*names, folder="a long name of a drive that somebody recorded, with all the cities on the way ")
    figure = chart(report["cases"], report)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    (axes,) = figure.axes
    title = [text for text in axes.findobj(Text) if text.get_text() == axes.get_title(loc="left")]
    words = [axes.xaxis.label, *title, *axes.texts, *figure.legends[0].get_texts()]
    for text in [*words, *axes.get_yticklabels()] if chart is stages else [*words, axes.yaxis.label]:
        box = text.get_window_extent()
        assert box.x0 >= -1, text.get_text()
        assert box.y0 >= -1, text.get_text()
        assert box.x1 <= width + 1, text.get_text()
        assert box.y1 <= height + 1, text.get_text()
    assert axes.get_position().width > 0.5
    assert axes.get_window_extent().height > (30 * len(names) if chart is stages else 300)


@pytest.mark.parametrize("name", ["live-enet.json", "live-enet-carry.json"])
def test_a_bar_is_as_long_as_frames_are_old(name: str) -> None:
    """Also where half of the frames pass by the network."""
    report = json.loads(MEASURED.with_name(name).read_text())
    figure = stages(report["cases"], report)
    assert figure is not None
    total_ms = float(figure.axes[0].texts[0].get_text().removesuffix("ms"))
    assert total_ms == pytest.approx(report["cases"][0]["age_ms"]["mean"], rel=0.03)


def test_what_a_card_says_of_its_own_input_is_not_said_of_another() -> None:
    report = measured("a", "b")
    assert accuracy(report["cases"], report) is not None
    assert accuracy(report["cases"], {**report, "settings": {"track.carry": 1}}) is None
    report["cases"][0]["asked"]["long_side"] = 160
    figure = accuracy(report["cases"], report)
    assert figure is not None
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[0].startswith("b: 0.")
    assert words[1] == "a: its card states no accuracy for this"


def test_every_case_has_its_curve_named(tmp_path: Path) -> None:
    report = measured(*NAMES)
    assert len(draw(tmp_path, report)) == 3  # nothing in a name is taken for a formula
    for chart in (latency, accuracy):
        figure = chart(report["cases"], report)
        assert figure is not None
        shown = [text.get_text().replace("\n", "").strip() for text in figure.legends[0].get_texts()]
        for name, label in zip(NAMES, shown, strict=True):
            assert label.startswith(name)


def test_a_narrow_range_of_latencies_has_numbers_to_read_it_by() -> None:
    report = measured("enet-camvid, auto")
    figure = latency(report["cases"], report)
    assert figure is not None
    (axes,) = figure.axes
    assert len(axes.get_xticks()) >= 3


@pytest.mark.parametrize(
    "seen",  # linear RGB as it looks without one kind of cone, Machado, Oliveira and Fernandes 2009
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    ],
    ids=["all", "protanopia", "deuteranopia"],
)
def test_the_first_colours_part_for_colour_blind_readers(seen: Any) -> None:
    rgb = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in _COLOURS[:7]]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ np.array(seen).T
    lab = cv2.cvtColor(np.clip(linear, 0, 1).astype(np.float32)[None], cv2.COLOR_LRGB2LAB)[0]
    apart = np.linalg.norm(lab[:, None] - lab, axis=2) + 99 * np.eye(7)
    assert apart.min() > 15
