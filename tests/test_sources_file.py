"""Drawn video files: every frame of every format, in the decoder's own memory."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path
from threading import Thread

import av
import numpy as np
import pytest
from clip_readers import digest, read, refusal
from clips import bars, read_bars, scene, write_clip

from pipeline.image import Image, yuv_to_rgb
from pipeline.sources import open_source

# memory


def test_planes_are_the_decoders_own_memory_and_nobody_can_write_to_them(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", size_hw=(90, 118))
    with open_source(str(path)) as frames:
        for frame in frames:
            for plane, shape in zip(frame.image.planes, [(90, 118), (45, 59), (45, 59)], strict=True):
                assert plane.shape == shape
                assert not plane.flags.owndata
                assert plane.strides[0] > plane.shape[1]  # the decoder's padded rows, not a copy's
                with pytest.raises(ValueError, match="read-only"):
                    plane[0, 0] = 1


def test_the_last_pictures_come_where_a_longer_sound_is_the_first_stream_of_the_file(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", "libx264", frames=20, options={"bf": "3"})
    with av.open(str(film)) as source, av.open(str(tmp_path / "both.mov"), "w") as both:
        sound = both.add_stream("pcm_s16le", rate=8000, layout="mono")
        copy = both.add_stream_from_template(source.streams.video[0])
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 40000), np.int16), "s16", "mono")
        silence.rate = 8000
        both.mux(sound.encode(silence))
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                both.mux(packet)
    source = open_source(str(tmp_path / "both.mov"))
    with source as frames:
        assert sum(1 for _ in frames) == 20
    assert source.notes == []  # sound that is longer does not make a film that is cut off


def test_planes_live_as_long_as_their_frame_even_when_the_source_is_closed(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=60, options={"bf": "2"})
    with open_source(str(path)) as frames:
        early = [(frame, digest(frame)) for frame in frames]
    assert [digest(frame) for frame, _ in early] == [told for _, told in early]
    del frames
    assert len({told for _, told in early}) == 60


def test_an_iteration_may_be_left_early_and_a_source_opened_again(tmp_path: Path) -> None:
    source = open_source(str(write_clip(tmp_path / "clip.mp4")))
    with source as frames:
        first = digest(next(frames))
    with source as frames:
        assert digest(next(frames)) == first
        assert sum(1 for _ in frames) == 19
    with source as frames:
        next(frames)
    assert list(frames) == []  # closed


# pixel formats


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "form", "full_range"),
    [
        ("mpeg4", "yuv420p", "yuv420p", False),
        ("mjpeg", "yuvj420p", "yuv420p", True),
        ("mjpeg", "yuvj422p", "yuv420p", True),
        ("rawvideo", "nv12", "nv12", False),
        ("rawvideo", "bgr24", "bgr24", False),
        ("ffv1", "yuv420p10le", "yuv420p", False),
        ("ffv1", "yuv422p", "yuv420p", False),
        ("ffv1", "yuv444p", "yuv420p", False),
        ("ffv1", "yuva420p", "yuv420p", False),
        ("ffv1", "gray", "yuv420p", True),
        ("ffv1", "gray16le", "yuv420p", True),
        ("ffv1", "gbrp10le", "bgr24", False),
        ("ffv1", "bgr0", "bgr24", False),
        ("png", "rgb24", "bgr24", False),
        ("gif", "rgb8", "bgr24", False),
    ],
)
@pytest.mark.parametrize("size_hw", [(96, 128), (95, 127)])
def test_every_pixel_format_shows_the_picture_that_was_encoded(
    tmp_path: Path, codec: str, pix_fmt: str, form: str, full_range: bool, size_hw: tuple[int, int]
) -> None:
    path = tmp_path / ("clip.gif" if codec == "gif" else "clip.nut")
    options = {"qmin": "1", "qmax": "1"} if codec in ("mpeg4", "mjpeg") else {}
    try:
        write_clip(path, codec, pix_fmt, 2, size_hw, options=options)
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"this FFmpeg cannot write {codec} {pix_fmt} of {size_hw}: {error}")
    truth = scene(0, size_hw).astype(np.float64)
    if pix_fmt.startswith("gray"):
        truth = np.repeat((truth @ [0.114, 0.587, 0.299])[..., None], 3, 2)
    for wanted in ("native", "bgr24"):
        image = read(path, pixel_format=wanted)[0].image
        assert image.format == (form if wanted == "native" else "bgr24")
        assert image.full_range == (full_range and wanted == "native")
        assert image.size_hw == size_hw
        assert not any(plane.flags.writeable for plane in image.planes)
        assert abs(image.bgr() - truth).mean() < (30 if codec == "gif" else 4)
        assert abs((image.bgr() - truth).mean()) < (12 if codec == "gif" else 3)  # not a shade brighter or darker


@pytest.mark.parametrize(("matrix", "name"), [(1, "bt709"), (9, "bt2020"), (5, "bt601"), (2, "bt601")])
def test_the_matrix_a_stream_states_is_the_matrix_of_its_images(tmp_path: Path, matrix: int, name: str) -> None:
    path = write_clip(tmp_path / "clip.mkv", "ffv1", frames=1, matrix=matrix)
    assert read(path)[0].image.matrix == name


@pytest.mark.parametrize("form", ["yuv420p", "nv12", "yuv444p"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
@pytest.mark.parametrize("size_hw", [(6, 8), (7, 9), (1, 1)])
def test_bgr_is_the_exact_map_of_the_standards(
    form: str, full_range: bool, matrix: str, size_hw: tuple[int, int]
) -> None:
    rng = np.random.default_rng(3)
    low, high = (0, 256) if full_range else (16, 236)
    height, width = size_hw
    small = size_hw if form == "yuv444p" else ((height + 1) // 2, (width + 1) // 2)
    y = rng.integers(low, high, size_hw, np.uint8)
    u, v = rng.integers(low, high, (2, *small), np.uint8)
    planes = (y, np.stack([u, v], 2)) if form == "nv12" else (y, u, v)
    if form != "yuv444p":
        u, v = (np.kron(plane, np.ones((2, 2), np.uint8))[:height, :width] for plane in (u, v))
    table = yuv_to_rgb(matrix, full_range)  # type: ignore[arg-type]
    exact = np.stack([y, u, v, np.ones_like(y)], 2) @ table.T
    exact = np.clip(exact[..., ::-1], 0, 255)
    image = Image(planes, form, matrix, full_range)  # type: ignore[arg-type]
    assert np.abs(image.bgr() - exact).max() <= 1.01
    assert not image.bgr().flags.writeable


# orientation, size


@pytest.mark.parametrize(
    ("a", "b", "c", "d"),
    [
        (1, 0, 0, 1),
        (-1, 0, 0, 1),
        (1, 0, 0, -1),
        (-1, 0, 0, -1),
        (0, 1, -1, 0),
        (0, -1, 1, 0),
        (0, 1, 1, 0),
        (0, -1, -1, 0),
    ],
)
def test_a_display_matrix_moves_each_pixel_where_it_says(tmp_path: Path, a: int, b: int, c: int, d: int) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=2, pixel_aspect=Fraction(4, 3))
    stored = read(path)[0].image
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # the matrix of the track's header, ISO/IEC 14496-12
    data[at : at + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    shown = read(path)[0].image
    source = open_source(str(path))
    with source as frames:
        next(frames)
        assert source.info.pixel_aspect == (Fraction(4, 3) if a else Fraction(3, 4))
    for before, after in zip(stored.planes, shown.planes, strict=True):
        y, x = np.indices(before.shape)
        right, down = a * x + c * y, b * x + d * y
        expected = np.empty(after.shape, np.uint8)
        expected[down - down.min(), right - right.min()] = before
        assert np.array_equal(after, expected)
        assert after.flags.c_contiguous or (a, d) == (1, 1)


def test_a_change_of_size_in_mid_stream_changes_the_frames_and_nothing_else(tmp_path: Path) -> None:
    parts = [
        write_clip(tmp_path / f"{h}.h264", "libx264", frames=5, size_hw=(h, w)) for h, w in ((96, 128), (64, 80))
    ]
    joined = tmp_path / "joined.h264"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = read(joined)
    assert [f.image.size_hw for f in frames] == [(96, 128)] * 5 + [(64, 80)] * 5
    assert [f.index for f in frames] == list(range(10))
    assert np.abs(frames[-1].image.bgr() - scene(4, (64, 80)).astype(np.int16)).mean() < 12


def test_frames_between_far_key_frames_are_found_from_the_key_frame_before(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "clip.mp4", "libx264", frames=60, draw=lambda i, hw: bars(i, hw), options={"g": "50", "bf": "3"}
    )
    assert [read_bars(f.image.bgr()) for f in read(path, start_s=4.7)] == list(range(47, 60))


@pytest.mark.parametrize(("ending", "codec"), [(".ts", "libx264"), (".mpg", "mpeg2video")])
def test_a_start_behind_the_only_key_frame_of_a_stream_is_found(tmp_path: Path, ending: str, codec: str) -> None:
    path = write_clip(tmp_path / f"clip{ending}", codec, frames=60, fps=25, options={"g": "60", "bf": "2"})
    told = [(f.pts, digest(f)) for f in read(path)]
    for start in (0.04, 1.0, 2.0):
        assert [(f.pts, digest(f)) for f in read(path, start_s=start)] == told[round(25 * start) :]


def test_a_list_that_cannot_be_sought_in_is_read_up_to_the_start(tmp_path: Path) -> None:
    for name in "ab":
        write_clip(tmp_path / f"{name}.mp4", frames=20, draw=scene if name == "a" else bars)
    whole = tmp_path / "drive.ffconcat"
    whole.write_text("ffconcat version 1.0\nfile 'a.mp4'\nfile 'b.mp4'\n")
    told = [(f.pts, digest(f)) for f in read(whole)]
    assert len(told) == 40
    for start in (0.5, 1.9, 2.5):
        assert [(f.pts, digest(f)) for f in read(whole, start_s=start)] == told[round(10 * start) :]


def test_a_list_names_files_anywhere_where_its_own_name_says_that_it_is_one(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a drive.mp4", frames=5)
    there = tmp_path / "lists"
    there.mkdir()
    names = [str(clip), "../a drive.mp4"]
    text = "ffconcat version 1.0\n" + "".join(f"file '{name}'\n" for name in names)
    (there / "drive.ffconcat").write_text(text)
    (there / "drive.bin").write_text(text)  # it may come from somebody else
    (there / "lost.ffconcat").write_text("ffconcat version 1.0\nfile 'gone.mp4'\n")
    assert len(read(there / "drive.ffconcat")) == 10
    assert "is a list of files" in refusal(there / "drive.bin").message
    assert "names a file that cannot be read: No such file" in refusal(there / "lost.ffconcat").message


@pytest.mark.parametrize("ending", [".mkv", ".ts"])
def test_a_pipe_is_read_in_one_go_up_to_the_start(tmp_path: Path, ending: str) -> None:
    clip = write_clip(tmp_path / f"clip{ending}", frames=20)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    Thread(target=lambda: pipe.write_bytes(clip.read_bytes()), daemon=True).start()
    assert [digest(f) for f in read(pipe, start_s=1.5)] == [digest(f) for f in read(clip)[15:]]
