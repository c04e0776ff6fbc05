"""Cameras, and what every live source keeps to: what comes, and how it ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import av
import pytest
from clips import write_clip
from live_parts import until_lost

from pipeline.errors import SourceError
from pipeline.sources import SourceOptions, open_source
from pipeline.sources.clock import Clock
from pipeline.sources.deadline import within


def test_the_drawn_camera_runs_in_real_time() -> None:
    source = open_source("lavfi:testsrc=size=160x120:rate=30")
    assert source.live
    with source as opened:
        frames = [frame for frame, _ in zip(opened, range(16), strict=False)]
    assert [frame.index for frame in frames] == list(range(16))
    assert [frame.pts_s for frame in frames] == pytest.approx([n / 30 for n in range(16)])
    assert frames[-1].captured_s - frames[0].captured_s > 0.9 * 15 / 30  # sooner would be no camera
    assert source.info.size_hw == (120, 160)
    assert source.info.fps == 30
    assert source.info.live


def test_a_camera_that_is_unplugged_says_so() -> None:
    frames, error = until_lost("lavfi:testsrc=size=160x120:rate=30:duration=0.3")
    assert len(frames) == 9
    assert "stopped giving frames after 0.3 s" in error.message


def test_a_camera_that_is_not_there_and_a_filter_that_is_none_are_errors() -> None:
    assert "there is no camera /dev/video93" in until_lost("93")[1].message
    assert "lavfi:nonsense" in until_lost("lavfi:nonsense=1")[1].message


USE_CAMERA = """
import os, sys, threading, time
from pipeline.errors import SourceError
from pipeline.sources import SourceOptions
from pipeline.sources.camera import Camera

path, pictures, then = sys.argv[1], int(sys.argv[2]), sys.argv[3]
os.mkfifo(path)
fifo = os.open(path, os.O_RDWR)

def run():
    for number in range(pictures):
        os.write(fifo, bytes([100 + number]))
        time.sleep(0.01)
    if then == "unplug":
        os.write(fifo, b"x")

threading.Thread(target=run, daemon=True).start()
source = Camera(path, SourceOptions(open_timeout_s=1, read_timeout_s=0.5))
try:
    with source as frames:
        for frame in frames:
            print(int(frame.image.planes[0].mean()), frame.image.format, *frame.image.size_hw, flush=True)
            if then == "stop" and frame.index == pictures - 1:
                break
except SourceError as error:
    print(error.message, flush=True)
os._exit(0)  # a thread may still wait in the driver
"""


@pytest.fixture(scope="module")
def fake_v4l2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("the fake camera needs Linux and a C compiler: apt-get install gcc")
    library = tmp_path_factory.mktemp("v4l2") / "fake.so"
    code = Path(__file__).with_name("fake_v4l2.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(code), "-ldl"], check=True)
    return library


@pytest.mark.parametrize(
    ("pictures", "then", "busy", "says"),
    [
        (20, "stop", False, None),
        (20, "unplug", False, "it was unplugged"),
        (20, "hang", False, "nothing came for 0.5 s"),
        (0, "hang", False, "gave no picture within 1 s"),
        (20, "stop", True, "is in use by another program"),
    ],
)
def test_a_video4linux_camera_gives_every_picture_and_each_end_has_its_sentence(
    tmp_path: Path, fake_v4l2: Path, pictures: int, then: str, busy: bool, says: str | None
) -> None:
    environment = {**os.environ, "LD_PRELOAD": str(fake_v4l2)} | ({"FAKE_V4L2_BUSY": "1"} if busy else {})
    command = [sys.executable, "-c", USE_CAMERA, str(tmp_path / "video0"), str(pictures), then]
    root = Path(__file__).parents[1]
    told = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=True)
    lines = told.stdout.splitlines()
    assert told.stderr == ""
    if says is not None:
        assert says in lines.pop()
    # YUYV has a limited range: what is given is the plane's own value
    assert lines == ([] if busy else [f"{100 + number} yuv420p 240 320" for number in range(pictures)])


KEEP_PICTURES = """
import gc, os, sys
from pipeline.errors import SourceError
from pipeline.sources import SourceOptions
from pipeline.sources.camera import Camera

path = sys.argv[1]
os.mkfifo(path)
fifo = os.open(path, os.O_RDWR)
os.write(fifo, bytes(range(130, 140)) + (b"x" if sys.argv[2] == "unplug" else b""))
source, kept, failure = Camera(path, SourceOptions(open_timeout_s=1, read_timeout_s=0.5)), [], None
try:
    with source as frames:
        for frame in frames:
            kept.append(frame)
except SourceError as error:
    failure = error  # whose traceback knows where it was raised
assert failure is not None
print(*(int(frame.image.planes[0].mean()) for frame in kept))
del kept, frame, frames, failure
gc.collect()
"""


@pytest.mark.parametrize("then", ["unplug", "hang"])
@pytest.mark.parametrize("planar", [False, True])
def test_pictures_of_a_camera_that_is_gone_are_whole_and_none_is_given_back_to_it(
    tmp_path: Path, fake_v4l2: Path, planar: bool, then: str
) -> None:
    # MALLOC_PERTURB_: what was freed is not what it was
    environment = {**os.environ, "LD_PRELOAD": str(fake_v4l2), "MALLOC_PERTURB_": "165"}
    environment |= {"FAKE_V4L2_PLANAR": "1"} if planar else {}
    command = [sys.executable, "-X", "faulthandler", "-c", KEEP_PICTURES, str(tmp_path / "video0"), then]
    root = Path(__file__).parents[1]
    told = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.split() == [str(value) for value in range(130, 140)]


ANSWERS_LATE = """
import gc, os, sys, threading
from pipeline.errors import SourceError
from pipeline.sources import SourceOptions
from pipeline.sources.camera import Camera

path = sys.argv[1]
os.mkfifo(path)
fifo = os.open(path, os.O_RDWR)
for _ in range(3):
    try:
        Camera(path, SourceOptions(open_timeout_s=0.1)).__enter__()
    except SourceError as error:
        print(error.message)
opening = [thread for thread in threading.enumerate() if thread.name == "source-open"]
os.write(fifo, bytes(range(130, 140)))
for thread in opening:
    thread.join(10)
gc.collect()
open_as = [name for name in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{name}") == path]
print([thread.is_alive() for thread in opening], [name for name in open_as if int(name) != fifo])
"""


def test_a_camera_that_answers_when_it_was_given_up_already_is_left_as_it_was(
    tmp_path: Path, fake_v4l2: Path
) -> None:
    environment = {**os.environ, "LD_PRELOAD": str(fake_v4l2), "MALLOC_PERTURB_": "165"}
    command = [sys.executable, "-X", "faulthandler", "-c", ANSWERS_LATE, str(tmp_path / "video0")]
    root = Path(__file__).parents[1]
    told = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert "gave no picture within 0.1 s" in told.stdout
    assert told.stdout.splitlines()[-1] == "[False, False, False] []"  # nobody else finds it in use


def test_a_live_source_cannot_start_later() -> None:
    for spec in ("0", "lavfi:testsrc", "rtsp://127.0.0.1/x"):
        with pytest.raises(SourceError, match="live"):
            open_source(spec, SourceOptions(start_s=2))


def test_a_call_that_never_comes_back_is_given_up() -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.05, never.wait)
    never.set()
    assert within(5, lambda: 3) == 3
    with pytest.raises(KeyError):
        within(5, lambda: {}["x"])


@pytest.mark.parametrize(("live", "expected"), [(True, [0, 3, 4, 5, 20]), (False, [90, 93, 93, 80, 110])])
def test_live_times_begin_at_0_and_increase_and_recorded_ones_are_left_alone(
    tmp_path: Path, live: bool, expected: list[int]
) -> None:
    with av.open(str(write_clip(tmp_path / "clip.mp4"))) as film:
        clock = Clock(film.streams.video[0], None, live)
        pictures = [av.VideoFrame(16, 16) for _ in range(5)]
        for picture, pts in zip(pictures, (90, 93, 93, 80, 110), strict=True):
            picture.pts = pts
        assert [clock.time(picture, 7.0) for picture in pictures] == expected


@pytest.mark.parametrize("leap_s", [-3600, -2, 15, 3600])
def test_a_camera_whose_clock_is_set_anew_goes_on_in_step(tmp_path: Path, leap_s: float) -> None:
    with av.open(str(write_clip(tmp_path / "clip.mp4"))) as film:
        stream = film.streams.video[0]
        clock = Clock(stream, None, True)
        times_s = []
        for number in range(20):
            picture = av.VideoFrame(16, 16)
            leap = leap_s if number >= 10 else 0
            picture.pts = round((4000 + number * 0.1 + leap) / stream.time_base)
            picture.duration = round(0.1 / stream.time_base)
            times_s.append(float(clock.time(picture, 7 + number * 0.1) * clock.time_base))
    assert times_s == pytest.approx([number * 0.1 for number in range(20)], abs=1e-3)


def test_pictures_that_were_lost_or_came_in_a_burst_keep_the_times_of_the_stream(tmp_path: Path) -> None:
    with av.open(str(write_clip(tmp_path / "clip.mp4"))) as film:
        stream = film.streams.video[0]
        clock = Clock(stream, None, True)
        told_s, times_s = [0.0, 0.1, 5.0, 5.1, 5.05, 5.3], []
        for shown_s, arrived_s in zip(told_s, (0, 0.1, 0.2, 9, 9, 9), strict=True):
            picture = av.VideoFrame(16, 16)
            picture.pts = round(shown_s / stream.time_base)
            times_s.append(float(clock.time(picture, arrived_s) * clock.time_base))
    assert times_s == pytest.approx([0.0, 0.1, 5.0, 5.1, 5.1, 5.3], abs=1e-3)
