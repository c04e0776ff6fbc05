"""Cameras and network streams against real ones on this machine: what comes, and how they end."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import bars, read_bars, write_clip

from pipeline.errors import SourceError
from pipeline.sources import SourceOptions, container, open_source
from pipeline.sources.clock import Clock
from pipeline.sources.deadline import within
from pipeline.sources.network import masked
from pipeline.types import Frame, Source

QUICK = SourceOptions(open_timeout_s=3, read_timeout_s=0.6)
SECRET = "s3cret"

Handle = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def http(handle: Handle) -> Iterator[str]:
    """A real server on this machine; gives its address, without a path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):  # the reader has gone
                handle(self)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def motion_jpeg(frames: int, then: Callable[[], None] = lambda: None, step_s: float = 0.02) -> Handle:
    """What an IP camera sends: numbered pictures, then whatever `then` does."""

    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        for number in range(frames):
            jpeg = cv2.imencode(".jpg", bars(number))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            request.wfile.write(head.encode() + jpeg + b"\r\n")
            time.sleep(step_s)
        then()

    return handle


def until_lost(
    source: str | Source, options: SourceOptions = QUICK, at: int = -1, then: Callable[[], None] = lambda: None
) -> tuple[list[Frame], SourceError]:
    """All frames that came, and the error at the end. Frame `at` makes `then` happen."""
    frames: list[Frame] = []

    def read() -> None:
        with open_source(source, options) if isinstance(source, str) else source as opened:
            for frame in opened:
                frames.append(frame)
                if frame.index == at:
                    then()

    with pytest.raises(SourceError) as caught:
        read()
    assert "\n" not in caught.value.message
    return frames, caught.value


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


# cameras


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


# HTTP


def test_motion_jpeg_over_http_is_timed_by_its_arrival() -> None:
    began_s = time.monotonic()
    with http(motion_jpeg(30)) as address:
        source = open_source(f"{address}/video?user=me", QUICK)
        assert source.live
        with source as opened:
            frames = [frame for frame, _ in zip(opened, range(25), strict=False)]
    assert [read_bars(frame.image.bgr()) for frame in frames] == list(range(25))
    assert frames[0].pts == 0
    assert all(b.pts > a.pts and b.captured_s >= a.captured_s for a, b in pairwise(frames))
    assert frames[-1].pts_s == pytest.approx(frames[-1].captured_s - frames[0].captured_s, abs=1e-3)
    assert began_s < frames[0].captured_s < frames[-1].captured_s < time.monotonic()
    assert frames[0].image.full_range
    assert source.info.codec == "mjpeg"


def test_a_server_that_goes_away_ends_the_stream_with_an_error() -> None:
    with http(motion_jpeg(12)) as address:
        frames, error = until_lost(f"{address}/video")
    assert len(frames) >= 11  # the last one has no end
    assert "was lost after" in error.message


def test_a_server_that_stops_sending_is_given_up_in_time() -> None:
    stop = threading.Event()
    with http(motion_jpeg(12, lambda: stop.wait(20))) as address:
        frames, error = until_lost(f"{address}/video")
        stop.set()
    assert len(frames) >= 11
    assert "nothing came for 0.6 s" in error.message


def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    stop = threading.Event()
    with http(lambda request: bool(stop.wait(20)) and None) as address:  # type: ignore[func-returns-value]
        _, error = until_lost(f"{address}/video", SourceOptions(open_timeout_s=0.5))
        stop.set()
    assert "within 0.5 s" in error.message


def serve_file(path: Path, limit: int | None = None) -> Handle:
    def handle(request: BaseHTTPRequestHandler) -> None:
        data = path.read_bytes()
        span = re.match(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(span[1]) if span else 0
        request.send_response(206 if span else 200)
        request.send_header("Accept-Ranges", "bytes")
        request.send_header("Content-Type", "video/mp4")
        request.send_header("Content-Length", str(len(data) - start))
        if span:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.end_headers()
        request.wfile.write(data[start:limit])

    return handle


def test_a_recording_over_http_is_read_like_a_file(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", draw=bars, frames=30)
    with http(serve_file(path)) as address:
        source = open_source(f"{address}/clip.mp4?token={SECRET}", QUICK)
        assert not source.live
        with source as opened:
            frames = list(opened)
        with open_source(f"{address}/clip.mp4", SourceOptions(start_s=2)) as opened:
            late = [read_bars(frame.image.bgr()) for frame in opened]
    assert [read_bars(frame.image.bgr()) for frame in frames] == list(range(30))
    assert [frame.pts_s for frame in frames] == pytest.approx([n / 10 for n in range(30)])
    assert source.info.frames == 30
    assert late == list(range(20, 30))


def test_a_recording_over_http_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", "libx264", frames=100)
    with http(serve_file(path, limit=path.stat().st_size // 2)) as address:
        frames, error = until_lost(f"{address}/clip.mkv")
    assert 10 < len(frames) < 90
    assert "was lost after" in error.message


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "user name"), (403, "403"), (404, "404"), (400, "4xx"), (500, "5xx"), (200, "not video")],
)
def test_what_a_server_answers_is_told_and_its_password_is_not(status: int, says: str) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.end_headers()
        request.wfile.write(b"<html>no video here</html>" * 400)

    with http(handle) as address:
        spec = address.replace("//", f"//admin:{SECRET}@") + f"/video?token={SECRET}"
        with pytest.raises(SourceError) as caught, open_source(spec, QUICK) as opened:
            next(iter(opened))
    assert says in caught.value.message
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "***@127.0.0.1" in shown
    assert SECRET not in shown
    assert "admin" not in shown
    assert SECRET not in open_source(spec).info.name


def test_credentials_reach_the_server() -> None:
    seen: list[str] = []

    def handle(request: BaseHTTPRequestHandler) -> None:
        seen.append(request.headers.get("Authorization", ""))
        if seen[-1]:
            motion_jpeg(5)(request)
        else:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="camera"')
            request.send_header("Content-Length", "0")
            request.end_headers()

    with http(handle) as address:
        frames, _ = until_lost(address.replace("//", f"//admin:{SECRET}@") + "/video")
    assert len(frames) >= 4
    assert base64.b64decode(seen[-1].removeprefix("Basic ")).decode() == f"admin:{SECRET}"


def test_nobody_at_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    for scheme in ("rtsp", "rtsps", "http", "https", "tcp", "rtmp"):
        _, error = until_lost(f"{scheme}://admin:{SECRET}@127.0.0.1:{port}/x")
        assert "nothing listens there" in error.message
        assert SECRET not in str(error)
    _, error = until_lost(f"udp://127.0.0.1:{port}", SourceOptions(open_timeout_s=0.3))
    assert "within 0.3 s" in error.message
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    assert "there is no host camera.invalid" in until_lost("rtsp://camera.invalid/x")[1].message


def test_an_address_of_no_known_kind_is_refused() -> None:
    _, error = until_lost(f"ftp://admin:{SECRET}@127.0.0.1/x.mp4")
    assert "ftp://" in error.message
    assert "rtsp" in error.hint
    assert SECRET not in str(error)
    assert "no valid address" in until_lost("rtsp://[::1/x")[1].message


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://camera:554/stream1", "rtsp://camera:554/stream1"),
        ("rtsp://admin:pass@camera:554/stream1", "rtsp://***@camera:554/stream1"),
        ("rtsp://admin@camera/1", "rtsp://***@camera/1"),
        ("rtsp://admin:p@ss@camera/1", "rtsp://***@camera/1"),
        ("rtsp://admin:pa/ss@camera/1", "rtsp://***@camera/1"),
        ("rtsp://admin:pa?ss@camera/1?x=y", "rtsp://***@camera/1?x=***"),
        ("rtsp://admin:pa#ss@camera", "rtsp://***@camera"),
        ("http://camera/video?token=abc&size=4", "http://camera/video?token=***&size=***"),
        ("http://camera/video?abc", "http://camera/video?***"),
        ("rtsp://camera/user=admin&password=abc&channel=1", "rtsp://camera/user=***&password=***&channel=1"),
        ("http://camera/live@1/x", "http://camera/live@1/x"),
    ],
)
def test_no_secret_is_left_in_an_address(address: str, shown: str) -> None:
    assert masked(address) == shown


# packets over UDP and TCP


def test_a_transport_stream_over_udp_is_read_until_it_stops(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.ts", "mpeg2video", draw=bars, frames=60, fps=25, options={"g": "5"})
    data, port, stop = path.read_bytes(), free_port(), threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for at in range(0, len(data), 7 * 188):
                sender.sendto(data[at : at + 7 * 188], ("127.0.0.1", port))
                if stop.wait(2.5 * 7 * 188 / len(data)):
                    return

    thread = threading.Thread(target=send)
    thread.start()
    frames, error = until_lost(f"udp://127.0.0.1:{port}")
    stop.set()
    thread.join()
    numbers = [read_bars(frame.image.bgr()) for frame in frames]
    assert len(numbers) > 10
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert frames[0].pts == 0  # whenever it was joined
    assert frames[-1].pts_s == pytest.approx((len(frames) - 1) / 25, abs=1e-3)
    assert "nothing came" in error.message


def test_video_that_stops_while_the_sound_runs_on_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "KEY_FRAME_S", 0.0)
    path, stop = tmp_path / "clip.ts", threading.Event()
    with av.open(str(path), "w") as film:
        video, audio = film.add_stream("mpeg2video", rate=25), film.add_stream("mp2", rate=48000)
        video.height, video.width, video.pix_fmt = 96, 128, "yuv420p"
        silence = np.zeros((1, 2 * 1152), np.int16)
        for number in range(2500):  # 60 s of sound, one of video
            sound = av.AudioFrame.from_ndarray(silence, format="s16", layout="stereo")
            sound.sample_rate, sound.pts = 48000, 1152 * number
            film.mux(audio.encode(sound))
            if number < 25:
                film.mux(video.encode(av.VideoFrame.from_ndarray(bars(number), format="bgr24")))
    data = path.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):  # the reader has gone
                for at in range(0, len(data), 20 * 188):
                    connection.sendall(data[at : at + 20 * 188])
                    stop.wait(0.02)

        thread = threading.Thread(target=send)
        thread.start()
        frames, error = until_lost(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        stop.set()
        thread.join()
    assert 20 <= len(frames) <= 25
    assert "no picture" in error.message


# RTSP

RTSP_SERVER = """
import sys, gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(f"( filesrc location={sys.argv[1]} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )")
server.get_mount_points().add_factory("/clip", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"""


@pytest.fixture
def rtsp(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A camera with RTSP: 30 s of numbered pictures, 25 a second, as fast as real time."""
    python = "/usr/bin/python3"
    check = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if not shutil.which(python) or subprocess.run([python, "-c", check], capture_output=True, check=False).returncode:
        pytest.skip("no RTSP server to test against: install gir1.2-gst-rtsp-server-1.0 and python3-gi")
    options = {"g": "25", "preset": "ultrafast", "tune": "zerolatency"}
    path = write_clip(
        tmp_path / "clip.mp4", "libx264", frames=750, fps=25, draw=lambda i, hw: bars(i % 256, hw), options=options
    )
    with subprocess.Popen([python, "-c", RTSP_SERVER, str(path)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"rtsp://admin:{SECRET}@127.0.0.1:{server.stdout.readline().strip()}", server
        finally:
            server.kill()


def test_rtsp_gives_every_frame_in_order_until_the_camera_dies(rtsp: tuple[str, subprocess.Popen[str]]) -> None:
    address, server = rtsp
    source = open_source(f"{address}/clip", QUICK)
    assert source.live
    frames, error = until_lost(source, at=40, then=server.kill)
    numbers = [read_bars(frame.image.bgr()) for frame in frames]
    assert numbers == [(numbers[0] + step) % 256 for step in range(len(numbers))]
    assert len(numbers) >= 40
    steps_s = np.diff([frame.pts_s for frame in frames])
    assert steps_s == pytest.approx(np.full(len(steps_s), 1 / 25), abs=2e-3)
    assert all(np.diff([frame.captured_s for frame in frames]) >= 0)
    assert "was lost after" in error.message
    assert SECRET not in str(error)


def test_rtsp_that_hangs_is_given_up_in_time(rtsp: tuple[str, subprocess.Popen[str]]) -> None:
    address, server = rtsp
    source = open_source(f"{address}/clip", QUICK)
    _, error = until_lost(source, at=5, then=lambda: server.send_signal(signal.SIGSTOP))
    server.send_signal(signal.SIGCONT)
    assert "nothing came for 0.6 s" in error.message


def test_rtsp_without_that_path_is_told(rtsp: tuple[str, subprocess.Popen[str]]) -> None:
    assert "404" in until_lost(f"{rtsp[0]}/other")[1].message
