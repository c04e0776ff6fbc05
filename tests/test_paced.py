"""A recorded film that comes as it was filmed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from films_on_disk import painted
from flow_parts import no_thread_is_left as no_thread_is_left

import pipeline.evaluation.pace
from pipeline.config import BackendConfig, Config
from pipeline.datasets import open_dataset
from pipeline.errors import DataError, SourceError
from pipeline.evaluation.labelled import DatasetSource
from pipeline.evaluation.pace import Paced
from pipeline.evaluation.streaming import play
from pipeline.flow import Flow
from pipeline.image import Image
from pipeline.metrics.streaming import Moment
from pipeline.networks import networks
from pipeline.types import Frame, SourceInfo, Truth


class Numbers:
    """Frames whose times are given."""

    live = False
    undecodable = 0

    def __init__(self, times: Sequence[float], truth: bool = True) -> None:
        self.info = SourceInfo("numbers", fps=1.0)
        self._times = times
        self._truth = truth

    def __enter__(self) -> Iterator[Frame]:
        for index, time in enumerate(self._times):
            image = Image((np.zeros((8, 8, 3), np.uint8),), "bgr24")
            yield Frame(index, round(time * 1000), Fraction(1, 1000), 0.0, image, Truth() if self._truth else None)

    def __exit__(self, *error: object) -> None:
        pass


def test_a_film_comes_as_it_was_filmed_live_and_without_its_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pipeline.evaluation.pace, "AHEAD_BYTES", 3 * 8 * 8 * 3
    )  # so that some are read ahead, some later
    times = [5.0, 5.001, 5.01, 5.011, 5.02, 5.021, 5.03]
    paced = Paced(Numbers(times))
    with paced as frames:
        got = list(frames)
    assert paced.live
    assert paced.info.live
    assert paced.shown == [Moment(k, pytest.approx(time - 5)) for k, time in enumerate(times)]
    assert [frame.captured_s for frame in got] == [paced.began_s + at for _, at in paced.shown]
    assert all(frame.truth is None for frame in got)
    assert paced.latest_s > 0  # nobody is ever exactly in time


def test_times_that_do_not_ascend_are_an_error() -> None:
    with pytest.raises(SourceError, match="frame 2"), Paced(Numbers([0, 0.001, 0.001])) as frames:
        list(frames)


def test_an_empty_source_ends_at_once() -> None:
    paced = Paced(Numbers([]))
    with paced as frames:
        assert list(frames) == []


def test_a_stop_wakes_a_film_that_waits() -> None:
    paced = Paced(Numbers([0, 3600]))
    begun = threading.Event()

    def opened() -> Any:
        return paced

    flow: Flow[Frame] = Flow(opened, (), live=True)
    paced.stopping = flow.stopping
    with flow:
        for frame in flow:
            assert frame.index == 0
            begun.set()
            flow.end()
    assert begun.is_set()


class StopsAtTheSecondShowing(Numbers):
    """Ctrl-C while the film plays; the first showing is the warm-up."""

    showings = 0

    def __enter__(self) -> Iterator[Frame]:
        self.showings += 1
        for frame in super().__enter__():
            if self.showings > 1 and frame.index == 100:
                signal.raise_signal(signal.SIGINT)
            yield frame


def test_a_film_that_is_stopped_is_not_scored(models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    monkeypatch.setattr(pipeline.evaluation.pace, "AHEAD_BYTES", 0)  # so that it is read while it plays
    config = Config(model=(str(models[0]),), backend=BackendConfig(name="onnxruntime-cpu"))
    nets = networks(config)
    source = StopsAtTheSecondShowing([k / 100 for k in range(500)])
    with pytest.raises(DataError, match="stopped"):
        play(source, config, nets)
    nets[0].selection.backend.close()
    assert source.showings == 2


def test_a_data_set_is_a_film_at_the_rate_it_is_given(tmp_path: Path) -> None:
    painted(tmp_path, 2)
    data = open_dataset("folders", tmp_path, "all")
    assert [frame.pts_s for frame in DatasetSource(data).__enter__()] == [0, 0.1]
    source = DatasetSource(data, fps=29.97)
    assert [frame.pts_s for frame in source.__enter__()] == [0, pytest.approx(1001 / 30000, rel=1e-5)]
    assert source.info.fps == pytest.approx(29.97, rel=1e-5)


@pytest.mark.parametrize(
    ("names", "fps"),
    [
        (["0016E5_07959", "0016E5_07961", "0016E5_07963"], 15),
        (["0006R0_f01230", "0006R0_f01260"], 1),
        (["0016E5_00001", "0016E5_00031", "0016E5_00091"], None),  # one is missing
        (["0001TP_006690", "0006R0_f01230"], None),  # two films
        (["0016E5_00001"], None),
    ],
)
def test_camvid_is_a_film_where_its_numbers_say_so(tmp_path: Path, names: list[str], fps: float | None) -> None:
    for name in names:
        for folder in ("val", "valannot"):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"{name}.png"), np.zeros((4, 4), np.uint8))
    source = DatasetSource(open_dataset("camvid", tmp_path, "val"))
    assert source.timed == (fps is not None)
    assert source.info.fps == (fps or 10)
