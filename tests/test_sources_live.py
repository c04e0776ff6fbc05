"""Streams over UDP, TCP and RTSP from real senders on this machine: what comes, and how they end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from clips import bars, read_bars, write_clip
from live_parts import QUICK, SECRET, free_port, until_lost
from rtsp_camera import RtspCamera
from rtsp_process import missing

from pipeline.sources import SourceOptions, container, open_source

LOGIN = f"admin:{SECRET}"


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


@pytest.fixture
def rtsp(tmp_path: Path) -> Iterator[RtspCamera]:
    """A camera with RTSP: 30 s of numbered pictures, 25 a second, as fast as real time."""
    if why := missing():
        pytest.skip(why)
    options = {"g": "25", "preset": "ultrafast", "tune": "zerolatency"}
    path = write_clip(
        tmp_path / "clip.mp4", "libx264", frames=750, fps=25, draw=lambda i, hw: bars(i % 256, hw), options=options
    )
    with RtspCamera(path, "admin", SECRET) as camera:
        yield camera


def test_rtsp_gives_every_frame_in_order_until_the_camera_dies(rtsp: RtspCamera) -> None:
    source = open_source(rtsp.address(LOGIN), QUICK)
    assert source.live
    frames, error = until_lost(source, at=40, then=rtsp.kill)
    numbers = [read_bars(frame.image.bgr()) for frame in frames]
    assert numbers == [(numbers[0] + step) % 256 for step in range(len(numbers))]
    assert len(numbers) >= 40
    steps_s = np.diff([frame.pts_s for frame in frames])
    assert steps_s == pytest.approx(np.full(len(steps_s), 1 / 25), abs=2e-3)
    assert all(np.diff([frame.captured_s for frame in frames]) >= 0)
    assert "was lost after" in error.message
    assert SECRET not in str(error)


def test_rtsp_that_hangs_is_given_up_in_time(rtsp: RtspCamera) -> None:
    source = open_source(rtsp.address(LOGIN), QUICK)
    _, error = until_lost(source, at=5, then=rtsp.freeze)
    rtsp.thaw()
    assert "nothing came for 0.6 s" in error.message


def test_rtsp_that_takes_the_connection_and_says_nothing_gave_no_video() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        _, error = until_lost(f"rtsp://127.0.0.1:{mute.getsockname()[1]}/x", SourceOptions(open_timeout_s=0.5))
    assert "gave no video within 0.5 s" in error.message


def test_rtsp_without_that_path_is_told(rtsp: RtspCamera) -> None:
    assert "404" in until_lost(rtsp.where("other", LOGIN))[1].message
