"""A file that is cut gives exactly the frames of the whole: bytes, numbers and times."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from clips import write_clip
from long_clips import repeated

from pipeline.replay.clean_keys import clean_key
from pipeline.replay.cuts import cut
from pipeline.sources import SourceOptions, open_source
from pipeline.sources.segment import SegmentError, SegmentFile, Span, times_digest
from pipeline.types import Source

Frames = list[tuple[int, int, Fraction, tuple[int, int], str]]


def frames_of(source: Source) -> Frames:
    """Number, time, size and a digest of the planes of every frame."""
    found = []
    with source as frames:
        for frame in frames:
            whole = hashlib.sha256(b"".join(plane.tobytes() for plane in frame.image.planes))
            found.append((frame.index, frame.pts, frame.time_base, frame.image.size_hw, whole.hexdigest()))
    return found


def segments(path: Path, segment_s: float) -> tuple[Span, ...]:
    spans = cut(path, segment_s)
    assert not isinstance(spans, str), spans
    return spans


def assert_same(path: Path, segment_s: float, least: int) -> Frames:
    spans = segments(path, segment_s)
    assert len(spans) >= least
    whole = frames_of(open_source(str(path)))
    assert [frame for span in spans for frame in frames_of(SegmentFile(str(path), SourceOptions(), span))] == whole
    # In any order, by anybody: the last one first.
    assert frames_of(SegmentFile(str(path), SourceOptions(), spans[-1])) == whole[-spans[-1].frames :]
    return whole


@pytest.mark.parametrize(
    "name",
    [
        "kitti_2011_09_26_10fps_h264_bframes.mp4",
        "kitti_2011_09_26_10fps_hevc.mp4",
        "kitti_2011_09_26_10fps_vp9.webm",
        "kitti_2011_09_26_vfr_h264.mp4",
        "kitti_2011_09_26_rotate90_h264.mp4",
    ],
)
def test_segments_of_real_footage_are_the_whole(shared: Path, name: str, tmp_path: Path) -> None:
    path = repeated(shared / "data" / "video" / name, tmp_path / name, 2)
    whole = assert_same(path, 1, 2)
    assert len(whole) == 156
    if "rotate90" in name:
        assert whole[-1][3] == (1242, 374)


def test_segments_of_a_long_clip_as_it_came(shared: Path) -> None:
    assert_same(shared / "data" / "video" / "udacity_solidWhiteRight.mp4", 2, 3)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("b.mp4", "libx264", {"g": "20", "bf": "3"}),
        ("b.mkv", "libx264", {"g": "20", "bf": "3"}),
        ("b.ts", "libx264", {"g": "20", "bf": "3"}),
        ("open.mp4", "libx265", {"x265-params": "open-gop=1:keyint=20:bframes=4:log-level=none"}),
        ("b4.mp4", "mpeg4", {"g": "12", "bf": "2"}),
        ("p.avi", "mpeg4", {"g": "12"}),
    ],
)
def test_groups_of_pictures_open_or_closed(name: str, codec: str, options: dict[str, str], tmp_path: Path) -> None:
    assert_same(write_clip(tmp_path / name, codec, frames=120, options=options), 2, 4)


def test_an_open_group_of_h264_is_not_cut(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "o.mp4", "libx264", frames=120, options={"g": "20", "bf": "3", "x264-params": "open-gop=1"}
    )
    with av.open(str(path)) as container:
        assert sum(packet.is_keyframe for packet in container.demux(video=0)) > 3  # so FFmpeg calls them
    assert cut(path, 2) == "it has no clean key frame to be cut at"


def test_what_cannot_be_cut_says_why_and_what_is_short_says_nothing(shared: Path, clip: Path) -> None:
    video = shared / "data" / "video"
    assert cut(clip, 60) == ""
    assert cut(video / "broken_truncated_no_moov.mp4", 1) == ""
    assert cut(video / "kitti_2011_09_26_raw.h264", 1) == "it has no presentation times"
    assert cut(video / "kitti_2011_09_26_10fps_hevc.mp4", 1) == "it has no clean key frame to be cut at"


def test_each_segment_is_long_enough_and_none_is_a_crumb(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "g.mp4", "mpeg4", frames=125, options={"g": "10"})
    spans = segments(path, 2.5)
    assert [span.frames for span in spans] == [30, 30, 30, 35]
    assert [span.first for span in spans] == [0, 30, 60, 90]


def test_of_two_films_in_a_file_the_one_is_cut_that_is_decoded(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "s.mp4", "libx264", frames=40, size_hw=(48, 64))
    large = write_clip(tmp_path / "l.mp4", "libx264", frames=80, options={"g": "10"})
    with av.open(str(small)) as one, av.open(str(large)) as other, av.open(str(tmp_path / "both.mkv"), "w") as both:
        films = [(film, both.add_stream_from_template(film.streams.video[0])) for film in (one, other)]
        films[1][1].disposition = Disposition.default
        for packets in zip_longest(*(film.demux(video=0) for film, _ in films)):
            for packet, (_, stream) in zip(packets, films, strict=True):
                if packet is not None and packet.dts is not None:
                    packet.stream = stream
                    both.mux(packet)
    whole = assert_same(tmp_path / "both.mkv", 1, 4)
    assert [frame[3] for frame in whole] == [(96, 128)] * 80


def test_frames_that_the_index_did_not_promise_are_an_error(clip: Path) -> None:
    wrong = Span(0, None, 0, 25, times_digest(np.arange(25)))
    with pytest.raises(SegmentError, match="index says 25"):
        frames_of(SegmentFile(str(clip), SourceOptions(), wrong))
    few = Span(0, None, 0, 26, "")
    with pytest.raises(SegmentError, match="gives 25 frames"):
        frames_of(SegmentFile(str(clip), SourceOptions(), few))


def test_a_key_frame_is_clean_by_its_first_picture() -> None:
    boxed = clean_key("h264", b"\x01\x64\x00\x1f\xff")
    assert boxed is not None
    assert boxed(b"\0\0\0\2\x06\x05" + b"\0\0\0\2\x65\x88")  # SEI, then IDR
    assert not boxed(b"\0\0\0\2\x06\x05" + b"\0\0\0\2\x41\x9a")  # an I picture that is none
    plain = clean_key("hevc", b"")
    assert plain is not None
    assert plain(b"\0\0\0\1\x40\x01" + b"\0\0\1\x2a\x01")  # VPS, then CRA
    assert not plain(b"\0\0\1\x02\x01")
    assert clean_key("vp8", None) is not None
    assert clean_key("theora", None) is None
