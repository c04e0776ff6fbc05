"""A drawn picture into a video file."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from time import thread_time
from typing import Any

import cv2
import pytest
from words import SIZE_HW

from pipeline.config import RenderConfig
from pipeline.flow import Pool
from pipeline.render import Renderer
from pipeline.sinks.video import VideoSink
from pipeline.types import Frame, Instances, Scene

pytestmark = pytest.mark.benchmark(group="a picture into a video", timer=thread_time)


def test_ours_h264(benchmark: Any, tmp_path: Path, frame: Frame, found: Instances) -> None:
    picture = Renderer(RenderConfig(), Pool).render(Scene(frame, found))
    sink, numbers = VideoSink(tmp_path / "out.mp4", rate=25), count()

    def write() -> None:
        shown = replace(frame, pts=next(numbers))
        sink.write(replace(picture, scene=replace(picture.scene, frame=shown)))

    benchmark(write)
    sink.close(whole=True)
    assert (tmp_path / "out.mp4").stat().st_size


def test_opencvs_writer_mpeg4(benchmark: Any, tmp_path: Path, bgr: Any) -> None:
    out = str(tmp_path / "out.mp4")
    writer = cv2.VideoWriter(out, cv2.VideoWriter_fourcc(*"mp4v"), 25, SIZE_HW[::-1])
    benchmark(writer.write, bgr)
    writer.release()
    assert Path(out).stat().st_size
