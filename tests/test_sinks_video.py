"""A written video has every picture, as it was, at the source's own times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from command import dashmask
from video_parts import as_format, drawn, of_clip, of_image, pictures_of, psnr, save, times_of

from pipeline.image import Image, PixelFormat
from pipeline.render.planar import buffer_of, split
from pipeline.sinks.video import VideoConfig, VideoSink

CLIPS = [
    "camvid_val_0016E5_15fps_h264.mp4",
    "intel_car-detection.mp4",
    "kitti_2011_09_26_10fps_h264_bframes.mp4",
    "kitti_2011_09_26_10fps_hevc.mp4",
    "kitti_2011_09_26_10fps_vp9.webm",
    "kitti_2011_09_26_rotate90_h264.mp4",
    "kitti_2011_09_26_vfr_h264.mp4",
    "paroque_road.avi",
    "udacity_solidWhiteRight.mp4",
    "udacity_test_video.mp4",
]


# Times


@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_of_a_clip_is_there_at_its_own_time(shared: Path, tmp_path: Path, name: str) -> None:
    clip = shared / "data/video" / name
    sink = save(tmp_path / "out.mp4", of_clip(clip), audio_from=clip)
    assert times_of(tmp_path / "out.mp4") == times_of(clip)
    assert sink.notes == []
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_a_variable_frame_rate_stays_variable(tmp_path: Path, ending: str) -> None:
    ticks = [0, 100, 200, 270, 300, 370, 400, 1400]
    save(tmp_path / f"out{ending}", [of_image(as_format(drawn(t), "yuv420p"), t, Fraction(1, 1000)) for t in ticks])
    assert times_of(tmp_path / f"out{ending}") == [Fraction(t, 1000) for t in ticks]


def test_times_that_begin_late_begin_late(tmp_path: Path) -> None:
    pictures = [of_image(as_format(drawn(i), "yuv420p"), 40_000 + 1001 * i, Fraction(1, 30_000)) for i in range(9)]
    save(tmp_path / "out.mp4", pictures)
    assert times_of(tmp_path / "out.mp4") == [Fraction(40_000 + 1001 * i, 30_000) for i in range(9)]


def test_the_start_becomes_time_zero(tmp_path: Path) -> None:
    pictures = [of_image(as_format(drawn(i), "yuv420p"), 50 + i) for i in range(9)]
    save(tmp_path / "out.mp4", pictures, start_s=2.0)
    assert times_of(tmp_path / "out.mp4") == [Fraction(i, 25) for i in range(9)]


def test_times_before_zero_are_moved_there_together(tmp_path: Path) -> None:
    save(tmp_path / "out.mp4", [of_image(as_format(drawn(i), "yuv420p"), i - 3) for i in range(9)])
    assert times_of(tmp_path / "out.mp4") == [Fraction(i, 25) for i in range(9)]


@pytest.mark.parametrize(("ticks", "rate", "seconds"), [([0, 3], None, 6), ([0], 10.0, 1), ([0, 1, 2, 9], 10.0, 16)])
def test_the_last_frame_lasts_as_long_as_the_one_before(
    tmp_path: Path, ticks: list[int], rate: float | None, seconds: int
) -> None:
    pictures = [of_image(as_format(drawn(t), "yuv420p"), t, Fraction(1, 10)) for t in ticks]
    save(tmp_path / "out.mp4", pictures, rate=rate)
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        assert stream.duration * stream.time_base == Fraction(seconds, 10)


def test_equal_and_backward_times_are_moved_behind(tmp_path: Path) -> None:
    ticks = [0, 10, 10, 10, 7, 20]
    pictures = [of_image(as_format(drawn(i), "yuv420p"), t, Fraction(1, 100)) for i, t in enumerate(ticks)]
    sink = save(tmp_path / "out.mp4", pictures)
    assert times_of(tmp_path / "out.mp4") == [Fraction(t, 100) for t in [0, 10, 11, 12, 13, 20]]
    assert sink.notes == ["3 frames had the time of the one before or an earlier one: moved behind it"]


@pytest.mark.parametrize(
    ("ending", "times"), [(".mkv", [0, 3600, 7200]), (".mp4", [0, Fraction(1, 25), Fraction(2, 25)])]
)
def test_pictures_an_hour_apart_are_so_where_the_file_can_tell_and_else_follow_on(
    tmp_path: Path, ending: str, times: list[Fraction]
) -> None:
    out = tmp_path / f"out{ending}"
    nanosecond = Fraction(1, 10**9)
    hours = [of_image(as_format(drawn(i), "yuv420p"), 3600 * 10**9 * i, nanosecond) for i in range(3)]
    sink = save(out, hours)
    assert times_of(out) == times
    assert any("jumped (2x)" in note for note in sink.notes) == (ending == ".mp4")


def test_one_wrong_time_far_back_moves_no_other_frame(tmp_path: Path) -> None:
    right = {k: 5000 + 100 * k for k in range(20) if k not in (4, 9, 10)}
    pts = [right.get(k, 100 + k) for k in range(20)]
    pictures = [of_image(as_format(drawn(i), "yuv420p"), t, Fraction(1, 1000)) for i, t in enumerate(pts)]
    save(tmp_path / "out.mp4", pictures)
    times = times_of(tmp_path / "out.mp4")
    assert {k: times[k] * 1000 for k in right} == right
    assert times == sorted(set(times))


def test_a_clock_that_is_too_fine_is_rounded_and_said_so(tmp_path: Path) -> None:
    pictures = [of_image(as_format(drawn(i), "yuv420p"), i * 100_000_007, Fraction(1, 10**9)) for i in range(4)]
    sink = save(tmp_path / "out.mp4", pictures)
    assert times_of(tmp_path / "out.mp4") == [Fraction(round(i * 100_000.007), 10**6) for i in range(4)]
    assert "rounded to 1/1000000 s" in sink.notes[0]


# Pictures


@pytest.mark.parametrize("kind", ["bgr24", "bgra32", "yuv420p", "yuv444p", "nv12"])
@pytest.mark.parametrize("size_hw", [(96, 160), (97, 161), (98, 160), (96, 161)])
def test_a_picture_of_any_format_and_size_comes_out_as_it_was(
    tmp_path: Path, kind: PixelFormat, size_hw: tuple[int, int]
) -> None:
    truth = [drawn(i, size_hw) for i in range(4)]
    save(tmp_path / "out.mp4", [of_image(as_format(bgr, kind), i) for i, bgr in enumerate(truth)])
    written = pictures_of(tmp_path / "out.mp4")
    assert [picture.shape[:2] for picture in written] == [size_hw] * 4
    for one, other in zip(written, truth, strict=True):
        assert psnr(one, other) > 33


def test_odd_footage_keeps_its_size_and_its_picture(shared: Path, tmp_path: Path) -> None:
    clip = shared / "data/video/kitti_2011_09_26_10fps_h264_bframes.mp4"  # 1242x374
    pictures, truth = [], []
    for picture in of_clip(clip):
        bgr = np.ascontiguousarray(picture.scene.frame.image.bgr()[:373, :1241])
        truth.append(bgr)
        pictures.append(of_image(as_format(bgr, "yuv420p"), len(pictures), Fraction(1, 10)))
        if len(pictures) == 5:
            break
    save(tmp_path / "out.mp4", pictures, config=VideoConfig(crf=10))
    written = pictures_of(tmp_path / "out.mp4")
    assert [psnr(one, other) > 33 for one, other in zip(written, truth, strict=True)] == [True] * 5
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv444p"


@pytest.mark.parametrize(("matrix", "tag"), [("bt601", 6), ("bt709", 1), ("bt2020", 9)])
@pytest.mark.parametrize("full_range", [False, True])
def test_the_colours_are_tagged(tmp_path: Path, matrix: Any, tag: int, full_range: bool) -> None:
    planes = as_format(drawn(0), "yuv420p").planes
    save(tmp_path / "out.mp4", [of_image(Image(planes, "yuv420p", matrix, full_range), 0)])
    with av.open(str(tmp_path / "out.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (tag, 2 if full_range else 1)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_footage_of_high_dynamic_range_stays_tagged_as_such(tmp_path: Path, ending: str) -> None:
    source, out, hlg = tmp_path / f"in{ending}", tmp_path / f"out{ending}", (9, 18)  # BT.2020, ARIB STD-B67
    planes = as_format(drawn(0), "yuv420p").planes
    save(source, [of_image(Image(planes, "yuv420p", "bt2020"), i) for i in range(3)], colours=hlg)
    words = ("-m", "roadnet-drawn", "--imgsz", 64, "--backend", "null", "--save", out)
    assert dashmask("run", source, *words).code == 0
    for path in (source, out):
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            assert (context.color_primaries, context.color_trc, context.colorspace) == (*hlg, 9)


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_footage_whose_pixels_are_no_squares_is_shown_as_wide_as_it_was(tmp_path: Path, ending: str) -> None:
    source, out = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    wide = Fraction(40, 33)
    save(source, [of_image(as_format(drawn(i), "yuv420p"), i) for i in range(3)], pixel_aspect=wide)
    words = ("-m", "roadnet-drawn", "--imgsz", 64, "--backend", "null", "--save", out)
    assert dashmask("run", source, *words).code == 0
    for path in (source, out):
        with av.open(str(path)) as container:
            assert container.streams.video[0].sample_aspect_ratio == wide


def test_a_picture_of_other_colours_is_converted_to_the_first_ones(tmp_path: Path) -> None:
    limited, full = as_format(drawn(0), "yuv420p"), as_format(drawn(0), "yuv420p", full_range=True)
    save(tmp_path / "out.mp4", [of_image(limited, 0), of_image(full, 1)])
    first, second = pictures_of(tmp_path / "out.mp4")
    assert psnr(first, drawn(0)) > 33
    assert psnr(second, drawn(0)) > 33


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    pixels = np.dstack([drawn(0), np.full((96, 160), 255, np.uint8)])
    pixels[:, :80, 3] = 0
    sink = save(tmp_path / "out.mp4", [of_image(Image((pixels,), "bgra32"), i) for i in range(3)])
    assert pictures_of(tmp_path / "out.mp4")[0][:, :72].max() < 40
    assert sink.notes == ["a video has no transparency: what is transparent is black in it"]


def test_a_change_of_size_is_fitted_into_the_first(tmp_path: Path) -> None:
    tall = np.full((192, 160, 3), 200, np.uint8)
    pictures = [of_image(as_format(drawn(0), "yuv420p"), 0)]
    pictures += [of_image(as_format(tall, kind), 1 + i) for i, kind in enumerate(("yuv420p", "bgr24"))]
    pictures += [of_image(as_format(drawn(5), "yuv420p"), 5)]
    sink = save(tmp_path / "out.mp4", pictures)
    first, *fitted, last = pictures_of(tmp_path / "out.mp4")
    assert psnr(first, drawn(0)) > 33
    for picture in fitted:
        assert picture[10:86, 45:115].min() > 180
        assert picture[:, :35].max() < 30
        assert picture[:, 125:].max() < 30
    assert psnr(last, drawn(5)) > 33
    assert sink.notes == ["the pictures changed their size: the later ones are fitted into 160x96"]


def encoders() -> list[Any]:
    chosen = [("libx264", ".mp4", 2), ("libx265", ".mkv", 1), ("libvpx-vp9", ".webm", 1), ("libsvtav1", ".mp4", 1)]
    chosen += [("mpeg4", ".avi", 1), ("mpeg4", ".mp4", 1), ("mjpeg", ".mov", 1), ("h264", ".mkv", 1)]
    return [
        pytest.param(
            *choice,
            marks=pytest.mark.skipif(
                choice[0] not in av.codecs_available, reason=f"no {choice[0]} in this FFmpeg: install a wheel of PyAV"
            ),
        )
        for choice in chosen
    ]


@pytest.mark.parametrize(("codec", "ending", "threads"), encoders())
def test_no_encoder_mixes_pictures_up(tmp_path: Path, codec: str, ending: str, threads: int) -> None:
    """Whatever an encoder keeps under way, each picture comes out whole, once, and in order."""
    truth = [drawn(i) for i in range(12)]
    pictures = [of_image(as_format(bgr, "yuv420p"), i) for i, bgr in enumerate(truth)]
    path = tmp_path / f"out{ending}"
    save(path, pictures, config=VideoConfig(codec, threads=threads), rate=25)
    written = pictures_of(path)
    assert [round(t * 25, 1) for t in times_of(path)] == list(range(12))
    for one, other in zip(written, truth, strict=True):
        assert psnr(one, other) > 27


@pytest.mark.parametrize("codec", sorted(av.codecs_available & {"libx264", "libx265", "mpeg4"}))
@pytest.mark.parametrize("size_hw", [(96, 160), (98, 160)])
def test_a_buffer_may_be_used_again_once_its_picture_is_written(
    tmp_path: Path, codec: str, size_hw: tuple[int, int]
) -> None:
    """Pictures that lie in one piece of memory are lent to an encoder: what is written is as if they were not."""
    images = [as_format(drawn(i, size_hw), "yuv420p") for i in range(8)]
    apart, together = tmp_path / "apart.mp4", tmp_path / "together.mp4"
    save(apart, [of_image(image, i) for i, image in enumerate(images)], config=VideoConfig(codec))
    buffer = buffer_of("yuv420p", size_hw)
    lent = Image(split(buffer, "yuv420p", size_hw), "yuv420p")
    sink = VideoSink(together, VideoConfig(codec))
    for index, image in enumerate(images):
        for plane, source in zip(lent.planes, image.planes, strict=True):
            plane[:] = source
        sink.write(of_image(lent, index))
        buffer.fill(77)
    sink.close(whole=True)
    assert np.array_equal(pictures_of(apart), pictures_of(together))


def test_the_quality_can_be_chosen(tmp_path: Path) -> None:
    pictures = [of_image(as_format(drawn(i), "yuv420p"), i) for i in range(5)]
    for crf in (10, 40):
        save(tmp_path / f"{crf}.mp4", pictures, config=VideoConfig(crf=crf, preset="superfast", options={"g": "2"}))
    good, poor = (pictures_of(tmp_path / f"{crf}.mp4") for crf in (10, 40))
    assert psnr(good[3], drawn(3)) > psnr(poor[3], drawn(3)) + 5
    with av.open(str(tmp_path / "10.mp4")) as container:
        assert [packet.is_keyframe for packet in container.demux(video=0)][:4] == [True, False, True, False]
