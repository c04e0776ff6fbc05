"""A written video has every picture, at the source's own times, and plays whatever happened."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import SinkError
from pipeline.image import Image, PixelFormat, rgb_to_yuv
from pipeline.render.planar import buffer_of, split
from pipeline.sinks.mp4_boxes import cut_torn_fragment
from pipeline.sinks.video import VideoConfig, VideoSink
from pipeline.types import Frame, Picture, Scene

U8 = NDArray[np.uint8]
ROOT = Path(__file__).parents[1]
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


def of_image(image: Image, pts: int, time_base: Fraction = Fraction(1, 25), index: int = 0) -> Picture:
    return Picture(Scene(Frame(index, pts, time_base, time.monotonic(), image)), image)


def of_clip(path: Path) -> Iterator[Picture]:
    """The frames of a clip as pictures: their planes as the decoder has them."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            assert frame.format.name == "yuv420p"
            planes = tuple(
                np.frombuffer(memoryview(p), np.uint8).reshape(-1, p.line_size)[: p.height, : p.width]
                for p in frame.planes
            )
            yield of_image(Image(planes, "yuv420p"), frame.pts, frame.time_base, index)


def drawn(index: int, size_hw: tuple[int, int] = (96, 160)) -> U8:
    """BGR: a soft pattern of its own for every index."""
    height, width = size_hw
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 23 + index * 0.9), np.cos(y / 19 - index * 0.7), np.sin((x + y) / 31 + index * 1.7)]
    return np.stack([128 + 90 * wave for wave in waves], axis=2).astype(np.uint8)


def as_format(bgr: U8, kind: PixelFormat, full_range: bool = False) -> Image:
    """The same picture with other planes; chroma by plain averages."""
    if kind == "bgr24":
        return Image((bgr,), kind)
    if kind == "bgra32":
        return Image((np.dstack([bgr, np.full(bgr.shape[:2], 255, np.uint8)]),), kind)
    rgb1 = np.dstack([bgr[..., ::-1], np.ones(bgr.shape[:2])]).astype(np.float64)
    yuv = np.rint(rgb1 @ rgb_to_yuv("bt601", full_range).T).clip(0, 255)
    planes = [np.ascontiguousarray(yuv[..., i], np.uint8) for i in range(3)]
    if kind != "yuv444p":
        half = (bgr.shape[1] + 1) // 2, (bgr.shape[0] + 1) // 2
        planes[1:] = [cv2.resize(p, half, interpolation=cv2.INTER_AREA) for p in planes[1:]]  # type: ignore[misc]
    if kind == "nv12":
        planes[1:] = [np.dstack(planes[1:])]
    return Image(tuple(planes), kind, "bt601", full_range)


def save(path: Path, pictures: Iterator[Picture] | list[Picture], **options: Any) -> VideoSink:
    sink = VideoSink(path, **options)
    for picture in pictures:
        sink.write(picture)
    sink.close(whole=True)
    return sink


def times_of(path: Path) -> list[Fraction]:
    """When each frame is shown, seconds; every frame is decoded."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def pictures_of(path: Path) -> list[U8]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def psnr(one: U8, other: U8) -> float:
    return float(cv2.PSNR(np.ascontiguousarray(one), np.ascontiguousarray(other)))


def in_child(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, "-c", "from test_sinks_video import *\n" + code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


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
            *choice, marks=pytest.mark.skipif(choice[0] not in av.codecs_available, reason=f"no {choice[0]} here")
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


# What goes wrong


def test_an_interrupted_video_plays_and_spares_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"older")
    sink = VideoSink(path)
    for i in range(7):
        sink.write(of_image(as_format(drawn(i), "yuv420p"), i))
    sink.close(whole=False)
    assert path.read_bytes() == b"older"
    assert len(times_of(tmp_path / "out.partial.mp4")) == 7
    assert "out.partial.mp4" in sink.notes[0]
    assert not (tmp_path / "out.part.mp4").exists()


def test_without_a_picture_there_is_no_file(tmp_path: Path) -> None:
    VideoSink(tmp_path / "out.mp4").close(whole=True)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal
sink = VideoSink(Path(sys.argv[1]))
image = as_format(drawn(0), "yuv420p")
for i in range(200):
    if i == 90:
        os.kill(os.getpid(), signal.SIGKILL)
    sink.write(of_image(image, 500 + 100 * i + i % 3 * 30, Fraction(1, 1000)))
"""


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_a_killed_process_leaves_a_video_that_plays(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    assert in_child(KILLED, str(path)).returncode == -9
    times = times_of(tmp_path / f"out.part{ending}")
    assert len(times) >= 80
    assert times == [Fraction(500 + 100 * i + i % 3 * 30, 1000) for i in range(len(times))]


FULL = """
sink = VideoSink(Path(sys.argv[1]))
rng = np.random.default_rng(0)
written = 0
try:
    for i in range(300):
        planes = tuple(rng.integers(0, 256, hw).astype(np.uint8) for hw in [(96, 160), (48, 80), (48, 80)])
        sink.write(of_image(Image(planes, "yuv420p"), i))
        written += 1
    sink.close(whole=True)
except SinkError as error:
    print(written, error)
    sink.close(whole=False)
    print(sink.notes)
"""


def check_full(path: Path, child: subprocess.CompletedProcess[str], reason: str) -> None:
    assert child.returncode == 0, child.stderr
    assert child.stderr == ""
    assert f"{path} cannot be written: {reason}" in child.stdout
    assert "free some space" in child.stdout
    assert path.read_bytes() == b"older"
    shown = times_of(path.with_name("out.partial.mp4"))  # raises where the end is torn
    written = int(child.stdout.split()[0])
    assert written - 30 < len(shown) <= written
    assert shown == [Fraction(i, 25) for i in range(len(shown))]


def test_a_file_that_may_not_grow_plays_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"older")
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
    check_full(path, in_child(limit + FULL, str(path)), "File too large")


def test_a_full_disk_keeps_what_was_written(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk to fill")
    try:
        path = disk / "out.mp4"
        path.write_bytes(b"older")
        check_full(path, in_child(FULL, str(path)), "No space left on device")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_torn_file_is_cut_behind_its_last_whole_fragment(tmp_path: Path) -> None:
    path = tmp_path / "torn.mp4"

    def box(kind: bytes, size: int) -> bytes:
        return size.to_bytes(4, "big") + kind + bytes(size - 8)

    long = (1).to_bytes(4, "big") + b"mdat" + (100).to_bytes(8, "big") + bytes(84)
    whole = box(b"ftyp", 24) + box(b"moov", 60) + box(b"moof", 16) + long
    for torn in (b"", b"\0", box(b"moof", 40), box(b"moof", 40) + box(b"mdat", 90)[:50], bytes(70)):
        path.write_bytes(whole + torn)
        cut_torn_fragment(path)
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("name", "codec", "says"),
    [
        ("out.txt", "libx264", "ending in .mp4"),
        ("out", "libx264", "ending in .mp4"),
        ("out.mp4", "mp5", "no video encoder 'mp5'"),
        ("out.mp4", "aac", "no video encoder 'aac'"),
        ("none/out.mp4", "libx264", "there is no folder"),
    ],
)
def test_what_cannot_be_written_is_said_at_once(tmp_path: Path, name: str, codec: str, says: str) -> None:
    with pytest.raises(SinkError, match=says):
        VideoSink(tmp_path / name, VideoConfig(codec))


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("out.webm", VideoConfig("libx264")),
        ("out.mp4", VideoConfig(preset="sloth")),
        ("out.mp4", VideoConfig(options={"profile": "sideways"})),
    ],
)
def test_what_the_encoder_refuses_is_a_plain_error(tmp_path: Path, name: str, config: VideoConfig) -> None:
    sink = VideoSink(tmp_path / name, config)
    with pytest.raises(SinkError, match=f"{config.codec} in"):
        sink.write(of_image(as_format(drawn(0), "yuv420p"), 0))
    sink.close(whole=False)
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_no_place_for_a_video() -> None:
    with pytest.raises(SinkError, match="ending in"):
        VideoSink(Path(os.devnull))


def test_a_scene_that_was_not_drawn_is_a_defect(tmp_path: Path) -> None:
    picture = of_image(as_format(drawn(0), "yuv420p"), 0)
    with pytest.raises(ValueError, match="not drawn"):
        VideoSink(tmp_path / "out.mp4").write(Picture(picture.scene, None))


# Sound


def film(path: Path, codec: str, rate: int = 48_000) -> Path:
    """Four seconds of a tone beside four seconds of pictures, the sound a little late."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height = 160, 96
        audio = container.add_stream(codec, rate=rate, layout="mono")
        for i in range(100):
            frame = av.VideoFrame.from_ndarray(drawn(i), format="bgr24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(video.encode(frame))
        tone = (8000 * np.sin(np.arange(4 * rate) / 30)).astype(np.int16)
        samples = av.AudioFrame.from_ndarray(tone.reshape(1, -1), format="s16", layout="mono")
        samples.rate, samples.pts, samples.time_base = rate, rate // 10, Fraction(1, rate)
        container.mux(audio.encode(samples))
        container.mux(audio.encode(None))
        container.mux(video.encode(None))
    return path


def sound_of(path: Path) -> list[tuple[Fraction, bytes]]:
    """When each packet of the sound begins, seconds, and what is in it."""
    with av.open(str(path)) as container:
        packets = container.demux(audio=0)
        return [(p.pts * p.time_base, bytes(p)) for p in packets if p.pts is not None and p.time_base is not None]


@pytest.mark.parametrize(
    ("codec", "first", "second"),
    [("aac", ".mp4", ".mp4"), ("aac", ".mp4", ".mkv"), ("libopus", ".mkv", ".mp4"), ("libmp3lame", ".avi", ".mov")],
)
def test_sound_is_copied_as_it_is_and_stays_in_time(tmp_path: Path, codec: str, first: str, second: str) -> None:
    source = film(tmp_path / f"in{first}", codec)
    sink = save(tmp_path / f"out{second}", of_clip(source), audio_from=source)
    assert sink.notes == []
    heard, truth = sound_of(tmp_path / f"out{second}"), sound_of(source)
    end = times_of(source)[-1] + Fraction(1, 25)
    kept = [packet for packet in truth if packet[0] < end]
    assert [data for _, data in heard] == [data for _, data in kept]
    assert all(abs(t - u) <= Fraction(1, 1000) for (t, _), (u, _) in zip(heard, kept, strict=True))
    assert times_of(tmp_path / f"out{second}") == times_of(source)


def test_sound_begins_and_ends_with_the_pictures(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", "aac")
    chosen = [picture for picture in of_clip(source) if 25 <= picture.scene.frame.index < 50]
    save(tmp_path / "out.mp4", chosen, audio_from=source, start_s=1.0)
    assert times_of(tmp_path / "out.mp4") == [Fraction(i, 25) for i in range(25)]
    truth = [(t - 1, data) for t, data in sound_of(source) if 1 <= t < 2]
    heard = sound_of(tmp_path / "out.mp4")
    assert [data for _, data in heard] == [data for _, data in truth]
    assert all(abs(t - u) <= Fraction(1, 48_000) for (t, _), (u, _) in zip(heard, truth, strict=True))


def test_sound_that_does_not_fit_is_left_out_and_said_so(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", "aac")
    if "libvpx" not in av.codecs_available:
        pytest.skip("this FFmpeg has no libvpx, the encoder for webm: install a wheel of PyAV")
    sink = save(tmp_path / "out.webm", of_clip(source), config=VideoConfig("libvpx"), audio_from=source)
    assert len(sink.notes) == 1
    assert sink.notes[0].startswith("no sound: .webm does not take aac")
    assert len(times_of(tmp_path / "out.webm")) == 100
    with av.open(str(tmp_path / "out.webm")) as container:
        assert len(container.streams) == 1


def test_a_source_without_sound_or_that_is_no_media_is_no_error(tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    save(silent, [of_image(as_format(drawn(0), "yuv420p"), i) for i in range(3)])
    assert save(tmp_path / "out.mp4", of_clip(silent), audio_from=silent).notes == []
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    sink = save(tmp_path / "other.mp4", of_clip(silent), audio_from=text)
    assert sink.notes[0].startswith(f"no sound: {text} cannot be read")
