"""What arrives of a live stream, at real receivers: GStreamer's RTSP server, FFmpeg's over RTMP and UDP."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from clips import scene, write_clip
from rtsp_camera import RtspCamera
from rtsp_process import missing
from rtsp_receiver import RtspReceiver
from stream_parts import (
    FPS,
    SECRET,
    Luma,
    Watch,
    config,
    free_port,
    luma,
    nothing_stays,
    numbered,
    picture,
    places,
    psnr,
    send,
    shown,
    sink,
    taken,
    until,
)

from pipeline.config import OutputConfig
from pipeline.errors import SinkError
from pipeline.run import run as execute

if why := missing():
    pytest.skip(why, allow_module_level=True)


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    with nothing_stays():
        yield


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered(tmp_path_factory.mktemp("stream") / "clip.mp4")


def test_what_arrives_over_rtsp_is_what_the_video_of_the_same_run_shows(
    clip: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    with RtspCamera(clip) as camera, RtspReceiver(tmp_path, "driver", SECRET) as receiver:
        out = OutputConfig(
            save=str(tmp_path / "o.mp4"),
            json=str(tmp_path / "o.jsonl"),
            stream=receiver.address(f"driver:{SECRET}"),
        )
        outcome = execute(camera.address(), config(models, out, 75), Watch())
        told = outcome.report["stream"]
        until(lambda: taken(receiver, "road") >= 0.9 * told["sent"] - 1)  # at a goodbye GStreamer drops what it holds
    film_s, film = shown(tmp_path / "o.mp4")
    times_s, arrived = shown(receiver.file())
    assert arrived[0].shape == film[0].shape == (96, 128)
    assert len(film) == told["sent"] + sum(told["dropped"].values())
    assert told["sent"] >= 10
    at = places(arrived, film)
    assert at == sorted(set(at))
    # GStreamer corrects times by when packets come, so that one step may differ; over UDP times are compared exactly.
    assert times_s[-1] - times_s[0] == pytest.approx(film_s[at[-1]] - film_s[at[0]], abs=0.2)
    last = json.loads((tmp_path / "o.jsonl").read_text().splitlines()[-1])["dropped"]
    assert last.get("stream:away", 0) == told["dropped"].get("away", 0)
    assert SECRET not in json.dumps(outcome.report)


def test_two_sources_go_to_an_address_each(models: tuple[Path, Path], tmp_path: Path) -> None:
    sizes = {"one": (96, 128), "two": (64, 160)}
    clips = [
        str(write_clip(tmp_path / f"{name}.mp4", "libx264", frames=30, size_hw=hw)) for name, hw in sizes.items()
    ]
    with RtspReceiver(tmp_path) as receiver:
        out = OutputConfig(stream=receiver.address(path="{source}"))
        report = execute(clips, config(models, out, 30), Watch(lambda: time.sleep(0.02))).report
        for source in report["sources"]:
            name = source["source"]
            assert source["stream"]["to"] == receiver.address(path=name)
            assert 0 < source["stream"]["sent"] <= 30
            until(lambda name=name: taken(receiver, name))
            assert shown(receiver.file(path=name))[1][0].shape == sizes[name]
    with pytest.raises(SinkError, match="asked for by 2 sources"):
        execute(clips, config(models, OutputConfig(stream="rtsp://h/road"), 30), Watch())


def test_over_udp_times_are_the_frames_own_and_every_second_begins_with_a_key_frame(tmp_path: Path) -> None:
    address = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    got: list[tuple[float, bool, Luma]] = []
    quick = {"analyzeduration": "200000"}

    def read() -> None:
        # FFmpeg says by an error that the stream is over.
        with av.open(address, options=quick, timeout=(8, 0.6)) as container, suppress(av.error.ExitError):
            for frame in container.decode(video=0):
                got.append((float(frame.pts * frame.time_base), frame.key_frame, luma(frame)))

    reading = threading.Thread(target=read)
    reading.start()
    out = sink(address, live=False)
    for index in range(70):
        send(out, picture(index))
    out.close(True)
    reading.join()
    assert out.report()["sent"] == 70
    assert 60 <= len(got) <= 70
    times_s = [time_s for time_s, _, _ in got]
    numbers = [round(time_s * FPS) for time_s in times_s]
    zero = numbers[-1] - 69
    assert times_s == pytest.approx([number / FPS for number in numbers], abs=1e-4)
    for (_, _, seen), number in zip(got, numbers, strict=True):
        truth = av.VideoFrame.from_ndarray(scene(number - zero), format="bgr24").reformat(format="yuv420p")
        assert psnr(seen, luma(truth)) > 33
    keys = [number - zero for number, (_, key, _) in zip(numbers, got, strict=True) if key]
    assert [later - sooner for sooner, later in pairwise(keys)] == [FPS] * (len(keys) - 1)
    assert len(keys) >= 2


@pytest.mark.parametrize("kbps", [None, 200])
def test_a_narrow_link_gets_no_more_than_it_was_said_to_carry(kbps: int | None) -> None:
    dice = np.random.default_rng(0)
    with socket.socket(type=socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        out, came = sink(f"udp://127.0.0.1:{listening.getsockname()[1]}", live=False, kbps=kbps), 0
        for index in range(50):  # two seconds of noise
            send(out, picture(index, dice.integers(0, 256, (96, 128, 3), np.uint8)))
            with suppress(BlockingIOError):
                while data := listening.recv(2000):
                    assert len(data) % 188 == 0  # whole packets of MPEG-TS
                    came += len(data)
        out.close(True)
    most = 1.5 * 200e3 / 8 * 50 / FPS  # what MPEG-TS wraps around pictures this small is counted as well
    assert (came > 2 * most) if kbps is None else (came < most)


def test_rtmp_takes_the_same_stream_and_its_key_is_shown_to_nobody() -> None:
    port = free_port()
    address = f"rtmp://127.0.0.1:{port}/live/{SECRET}"
    got: list[Luma] = []

    def read() -> None:
        # FFmpeg says by an error that the stream is over.
        with av.open(address, options={"listen": "1"}, timeout=(8, 5)) as container, suppress(av.FFmpegError):
            got.extend(luma(frame) for frame in container.decode(video=0))

    reading = threading.Thread(target=read)
    reading.start()
    out = sink(address)
    for index in range(1000):
        out.write(picture(index))
        time.sleep(0.02)
        if out.report()["sent"] >= 40:
            break
    out.close(True)
    reading.join()
    assert len(got) >= 35
    assert got[0].shape == (96, 128)
    assert SECRET not in json.dumps([out.report(), out.notes, out.news()])


def test_pictures_of_any_size_and_format_become_even_yuv420p(tmp_path: Path) -> None:
    with RtspReceiver(tmp_path) as receiver:
        out = sink(receiver.address(), live=False)
        for index in range(20):
            bgr = scene(index, (97, 131) if index < 10 else (200, 100))
            out.write(picture(index, bgr))
            time.sleep(0.03)
        out.close(True)
        until(lambda: taken(receiver, "road"))
        with av.open(str(receiver.file())) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height, stream.pix_fmt) == (130, 96, "yuv420p")
