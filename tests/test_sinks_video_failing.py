"""A video that was interrupted, killed or had no room plays as far as it goes; what cannot be is said at once."""

from __future__ import annotations

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import pytest
from video_parts import as_format, drawn, in_child, of_image, times_of

from pipeline.errors import SinkError
from pipeline.sinks.mp4_boxes import cut_torn_fragment
from pipeline.sinks.video import VideoConfig, VideoSink
from pipeline.types import Picture


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


KILLED_WHILE_IT_IS_CLOSED = """
import os, signal
sink = VideoSink(Path(sys.argv[1]))
for i in range(90):
    sink.write(of_image(as_format(drawn(0), "yuv420p"), i))
sink._muxer.close = lambda end_s: os.kill(os.getpid(), signal.SIGKILL)
sink.close(whole=False)
"""


def test_a_process_that_is_killed_while_it_gives_up_leaves_the_name_that_says_so(tmp_path: Path) -> None:
    assert in_child(KILLED_WHILE_IT_IS_CLOSED, str(tmp_path / "out.mp4")).returncode == -9
    assert [path.name for path in tmp_path.iterdir()] == ["out.partial.mp4"]
    assert len(times_of(tmp_path / "out.partial.mp4")) >= 70


FULL = """
from pipeline.errors import SinkError
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
        pytest.skip("only root can mount a small disk to fill: run as root")
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
        ("out.mp4", VideoConfig("mpeg4", crf=5)),  # it has a quality of another name, and would ignore this one
        ("out.webm", VideoConfig("libvpx-vp9", preset="slow")),
    ],
)
def test_what_the_encoder_refuses_is_a_plain_error(tmp_path: Path, name: str, config: VideoConfig) -> None:
    sink = VideoSink(tmp_path / name, config)
    with pytest.raises(SinkError, match=f"{config.codec} in"):
        sink.write(of_image(as_format(drawn(0), "yuv420p"), 0))
    sink.close(whole=False)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_without_its_device_is_not_taken_for_a_path_without_permission(tmp_path: Path) -> None:
    if "h264_nvenc" not in av.codecs_available:
        pytest.skip("this FFmpeg has no h264_nvenc: install a wheel of PyAV")
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("this machine has what h264_nvenc needs")
    sink = VideoSink(tmp_path / "out.mp4", VideoConfig("h264_nvenc"))
    with pytest.raises(SinkError, match="h264_nvenc in mp4 is not possible here"):
        sink.write(of_image(as_format(drawn(0), "yuv420p"), 0))
    sink.close(whole=False)


def test_a_device_is_no_place_for_a_video() -> None:
    with pytest.raises(SinkError, match="ending in"):
        VideoSink(Path(os.devnull))


def test_a_scene_that_was_not_drawn_is_a_defect(tmp_path: Path) -> None:
    picture = of_image(as_format(drawn(0), "yuv420p"), 0)
    with pytest.raises(ValueError, match="not drawn"):
        VideoSink(tmp_path / "out.mp4").write(Picture(picture.scene, None))
