"""Files that are cut off, broken or no video at all: what is there is given, the rest is one sentence."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import av
import numpy as np
import pytest
from clip_readers import read, refusal
from clips import bars, read_bars, write_clip

from pipeline.errors import SourceError
from pipeline.sources import SourceOptions, notes_of, open_source


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
