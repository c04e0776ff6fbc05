"""Drawn video files: every frame of every format, in the decoder's own memory; what is said of one that is none."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import av
import numpy as np
import pytest
from clip_readers import digest, read, refusal
from clips import bars, read_bars, scene, write_clip

from pipeline.errors import SourceError
from pipeline.image import Image, yuv_to_rgb
from pipeline.sources import SourceOptions, notes_of, open_source

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


@pytest.mark.parametrize("ending", [".mkv", ".ts"])
def test_a_pipe_is_read_in_one_go_up_to_the_start(tmp_path: Path, ending: str) -> None:
    clip = write_clip(tmp_path / f"clip{ending}", frames=20)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    Thread(target=lambda: pipe.write_bytes(clip.read_bytes()), daemon=True).start()
    assert [digest(f) for f in read(pipe, start_s=1.5)] == [digest(f) for f in read(clip)[15:]]


# what is broken


def test_packets_that_do_not_decode_are_left_out_and_counted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_clip(tmp_path / "clip.avi", "png", "rgb24", frames=12, draw=lambda i, hw: bars(i, hw))
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data)) if data.startswith(b"\x89PNG", at)]
    assert len(starts) == 12
    for broken in (3, 4, 9):
        data[starts[broken] + 16 : starts[broken] + 24] = bytes(8)  # a picture of 0 x 0
    path.write_bytes(data)
    source = open_source(str(path))
    with source as frames:
        seen = [(f.index, read_bars(f.image.bgr()), f.pts_s) for f in frames]
    assert [number for _, number, _ in seen] == [0, 1, 2, 5, 6, 7, 8, 10, 11]
    assert [index for index, _, _ in seen] == list(range(9))
    assert [pts_s for _, _, pts_s in seen] == pytest.approx([n / 10 for _, n, _ in seen])
    assert source.undecodable == 3
    assert notes_of(source) == [f"{path}: pictures that did not decode and were left out: 3"]
    assert capfd.readouterr().err == ""


def test_a_clip_that_ends_long_before_it_says_so_is_noted(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", frames=60)  # 6 s
    whole = open_source(str(path))
    with whole as frames:
        assert len(list(frames)) == 60
    assert notes_of(whole) == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    half = open_source(str(path))
    with half as frames:
        last = list(frames)[-1]
    assert last.pts_s < 4
    assert any(
        f"its last picture is at {last.pts_s:.2f} s, but" in note and "6.00 s" in note for note in notes_of(half)
    )
    with half as frames:
        next(frames)  # who stops earlier is told nothing
    assert len(half.notes) == 1  # type: ignore[attr-defined]


def test_a_matroska_that_begins_late_is_not_taken_for_one_that_was_cut(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "late.mkv", pts=[5000 + 100 * i for i in range(20)])
    source = open_source(str(path))
    with source as frames:
        assert source.info.frames == len(list(frames)) == 20
    assert notes_of(source) == []


def test_a_pipe_that_gives_no_video_is_an_error_and_no_wait_for_ever(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    Thread(target=lambda: pipe.write_bytes(bytes(1000)), daemon=True).start()
    failed: list[str] = []
    reader = Thread(target=lambda: failed.append(refusal(pipe).message), daemon=True)
    reader.start()
    reader.join(20)
    assert failed
    assert "no ordinary file" in failed[0]


def test_an_mp4_that_a_pipe_cannot_give_in_one_go_comes_with_what_to_do(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)  # more bytes than FFmpeg looks back
    clip = write_clip(tmp_path / "clip.mp4", size_hw=(480, 640), draw=lambda i, hw: noise, options={"qmin": "1"})
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    Thread(target=lambda: pipe.write_bytes(clip.read_bytes()), daemon=True).start()
    assert "+faststart" in refusal(pipe).hint
    assert "/dev/stdin" in refusal(Path("-")).hint


def test_a_clip_of_which_nothing_decodes_is_an_error(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", "png", "rgb24", frames=3)
    path.write_bytes(path.read_bytes().replace(b"IHDR", b"IHXR"))
    assert "no picture" in refusal(path).message


def test_a_clip_that_stops_in_mid_file_gives_what_is_there(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", "ffv1", frames=20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 <= len(read(path)) < 20


def test_what_is_no_video_is_refused_in_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.mp4").write_text("not a video\n" * 900 + "ä" * 3000)
    (tmp_path / "art.txt").write_text("FFmpeg would draw this text as a film\n")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(20_000))
    (tmp_path / "page.mp4").write_text("<!DOCTYPE html><html><body>404</body></html>")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    for name, says in {
        "missing.mp4": "no such file",
        "text.mp4": "holds text",
        "art.txt": "holds text",
        "page.mp4": "holds text",
        "empty.mp4": "empty",
        "noise.mp4": "damaged, or not a video",
        "sound.wav": "only sound",
        "nul\0.mp4": "cannot be opened",
        "n" * 300 + ".mp4": "cannot be opened",
    }.items():
        error = refusal(tmp_path / name)
        assert says in error.message
        assert name in error.message
        assert error.hint
    assert capfd.readouterr().err == ""


def test_a_file_that_may_not_be_read_is_refused_in_one_sentence() -> None:
    user = os.geteuid()
    with TemporaryDirectory() as folder:  # pytest's own is closed to other users
        path = write_clip(Path(folder) / "clip.mp4")
        path.chmod(0)
        Path(folder).chmod(0o755)
        try:
            if user == 0:
                os.seteuid(65534)  # root may read everything
            assert "may not be read" in refusal(path).message
        finally:
            os.seteuid(user)


def test_a_start_behind_the_end_says_where_the_end_is(tmp_path: Path) -> None:
    error = refusal(write_clip(tmp_path / "clip.mp4"), start_s=7)
    assert "1.9 s" in error.message


@pytest.mark.parametrize(
    ("options", "says"),
    [({"start_s": -1}, "-1"), ({"fps": 0}, "0"), ({"fps": 0.0004}, "0.0004"), ({"fps": float("nan")}, "nan")],
)
def test_options_out_of_range_are_refused(options: dict[str, float], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        open_source("clip.mp4", SourceOptions(**options))  # type: ignore[arg-type]
