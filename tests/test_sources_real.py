"""Real clips: every frame at its own time, as FFmpeg shows it."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from clip_readers import digest, read, refusal

from pipeline.sources import SourceOptions, notes_of, open_source

CLIPS = {
    "camvid_val_0016E5_15fps_h264.mp4": 101,
    "intel_car-detection.mp4": 377,
    "kitti_2011_09_26_10fps_h264_bframes.mp4": 78,
    "kitti_2011_09_26_10fps_hevc.mp4": 78,
    "kitti_2011_09_26_10fps_vp9.webm": 78,
    "kitti_2011_09_26_raw.h264": 78,
    "kitti_2011_09_26_rotate90_h264.mp4": 78,
    "kitti_2011_09_26_vfr_h264.mp4": 78,
    "paroque_road.avi": 38,
    "udacity_solidWhiteRight.mp4": 221,
    "udacity_test_video.mp4": 38,
}


@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_of_a_real_clip_comes_at_its_own_time(shared: Path, name: str) -> None:
    path = shared / "data/video" / name
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        time_base = stream.time_base
        packets = [p for p in container.demux(stream) if p.size]
        stored = [p.pts for p in packets]
    source = open_source(str(path))
    with source as frames:
        seen = [(f.index, f.pts, f.time_base) for f in frames]
    assert [index for index, _, _ in seen] == list(range(CLIPS[name]))
    if None in stored:
        assert [pts for _, pts, _ in seen] == list(range(CLIPS[name]))
        assert {base for _, _, base in seen} == {Fraction(1, 10)}
    else:
        assert [pts for _, pts, _ in seen] == sorted(stored)  # B-frames are stored in another order
        assert {base for _, _, base in seen} == {time_base}
        assert source.info.frames == CLIPS[name]
    assert source.undecodable == 0
    assert not source.live


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="no ffprobe here: apt-get install ffmpeg")
@pytest.mark.parametrize("name", ["kitti_2011_09_26_10fps_h264_bframes.mp4", "paroque_road.avi"])
def test_times_are_those_that_ffprobe_shows(shared: Path, name: str) -> None:
    path = shared / "data/video" / name
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts", "-of", "csv=p=0"]
    shown = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True).stdout
    times = [int(line.strip(",")) for line in shown.split()]
    assert [f.pts for f in read(path)] == times


def test_a_variable_frame_rate_stays_variable(shared: Path) -> None:
    frames = read(shared / "data/video/kitti_2011_09_26_vfr_h264.mp4")
    steps_ms = [round(1000 * (b.pts_s - a.pts_s)) for a, b in pairwise(frames)]
    assert set(steps_ms) == {100, 70, 30}
    assert steps_ms[:30] == [100] * 30
    assert {steps_ms[-1], steps_ms[-2]} == {70, 30}


def test_a_stated_frame_rate_times_a_stream_without_timestamps_and_is_said_to_do_nothing_else(shared: Path) -> None:
    source = open_source(str(shared / "data/video/kitti_2011_09_26_raw.h264"), SourceOptions(fps=29.97))
    with source as frames:
        times = [f.pts_s for f in frames]
    assert times == pytest.approx(np.arange(78) / 29.97)
    assert source.info.fps == pytest.approx(29.97)
    assert notes_of(source) == []
    timed = open_source(str(shared / "data/video/paroque_road.avi"), SourceOptions(fps=29.97))
    with timed as frames:
        next(iter(frames))
    assert [("keep their own" in note) for note in notes_of(timed)] == [True]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg here: apt-get install ffmpeg")
def test_a_rotated_clip_is_shown_as_ffmpeg_shows_it(shared: Path) -> None:
    path = shared / "data/video/kitti_2011_09_26_rotate90_h264.mp4"
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(path),
        "-frames:v",
        "3",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "yuv420p",
        "-",
    ]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    source = open_source(str(path))
    with source as frames:
        ours = [next(frames) for _ in range(3)]
    assert source.info.size_hw == ours[0].image.size_hw == (1242, 374)
    assert b"".join(plane.tobytes() for frame in ours for plane in frame.image.planes) == raw


@pytest.mark.parametrize("name", [n for n in CLIPS if "rotate" not in n])
def test_colours_are_those_of_ffmpeg(shared: Path, name: str) -> None:
    path = shared / "data/video" / name
    with av.open(str(path)) as container, open_source(str(path)) as frames:
        for _, picture, frame in zip(range(3), container.decode(video=0), frames, strict=False):
            theirs = picture.to_ndarray(format="bgr24").astype(np.int16)
            difference = np.abs(frame.image.bgr() - theirs)
            assert difference.mean() < 2  # FFmpeg's fast converter cuts where ours rounds: 1.1 levels
            assert np.percentile(difference, 99) <= 6


@pytest.mark.parametrize(
    ("name", "start_s"),
    [
        ("camvid_val_0016E5_15fps_h264.mp4", 3.0),
        ("kitti_2011_09_26_10fps_h264_bframes.mp4", 4.35),
        ("kitti_2011_09_26_10fps_hevc.mp4", 7.7),
        ("kitti_2011_09_26_10fps_vp9.webm", 0.1),
        ("kitti_2011_09_26_raw.h264", 2.0),
        ("kitti_2011_09_26_vfr_h264.mp4", 5.0),
        ("paroque_road.avi", 0.6),
        ("intel_car-detection.mp4", 21.0),
    ],
)
def test_starting_later_gives_the_very_frames_from_there_on(shared: Path, name: str, start_s: float) -> None:
    path = shared / "data/video" / name
    everything = read(path)
    begin = everything[0].pts * everything[0].time_base
    wanted = [f for f in everything if f.pts * f.time_base - begin >= Fraction(str(start_s))]
    ours = read(path, start_s=start_s)
    assert [f.pts for f in ours] == [f.pts for f in wanted]
    assert [f.index for f in ours] == list(range(len(wanted)))
    assert [digest(f) for f in ours] == [digest(f) for f in wanted]


def test_the_truncated_clip_is_refused_with_one_sentence(shared: Path, capfd: pytest.CaptureFixture[str]) -> None:
    error = refusal(shared / "data/video/broken_truncated_no_moov.mp4")
    assert "cut off" in error.message
    assert error.hint
    assert capfd.readouterr().err == ""
