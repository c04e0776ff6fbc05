"""Streams and recordings over HTTP from a real server on this machine, and addresses that hold a secret."""

from __future__ import annotations

import base64
import re
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
import pytest
from clips import bars, read_bars, write_clip
from live_parts import QUICK, SECRET, free_port, until_lost

from pipeline.errors import SourceError
from pipeline.sources import SourceOptions, open_source
from pipeline.sources.network import masked

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


def test_pieces_of_hls_are_handed_on_picture_by_picture(tmp_path: Path) -> None:
    pieces = {"hls_time": "1", "hls_list_size": "0", "hls_flags": "omit_endlist"}
    options = {"g": "25", "preset": "ultrafast", "tune": "zerolatency"}
    with av.open(str(tmp_path / "live.m3u8"), "w", options=pieces) as live:
        stream = live.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width = 96, 128
        for number in range(75):
            live.mux(stream.encode(av.VideoFrame.from_ndarray(bars(number), format="bgr24")))
        live.mux(stream.encode(None))

    def handle(request: BaseHTTPRequestHandler) -> None:
        body = (tmp_path / request.path.lstrip("/")).read_bytes()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    with http(handle) as address, open_source(f"{address}/live.m3u8", QUICK) as opened:
        frames = [frame for frame, _ in zip(opened, range(60), strict=False)]
    assert [read_bars(frame.image.bgr()) for frame in frames] == list(range(60))
    waits_s = [later.captured_s - earlier.captured_s for earlier, later in pairwise(frames)]
    assert sum(waits_s) > 0.9 * 59 / 25  # sooner they would all be there at once, and be dropped
    assert sorted(waits_s)[len(waits_s) // 2] > 0.5 / 25


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
