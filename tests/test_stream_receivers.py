"""Receivers of a live stream that are killed, frozen, silent, late or wrong: the run does not care."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from command import dashmask
from rtsp_process import missing
from rtsp_receiver import RtspReceiver
from stream_parts import (
    FPS,
    SECRET,
    Watch,
    children,
    config,
    free_port,
    nothing_stays,
    numbered,
    picture,
    places,
    shown,
    sink,
    taken,
    until,
)

from pipeline.config import OutputConfig
from pipeline.errors import SinkError
from pipeline.run import run as execute
from pipeline.sinks.stream.address import parse_address
from pipeline.sinks.stream.publisher import CLOSE_S
from pipeline.sinks.stream.sink import StreamSink
from pipeline.sources.network import masked

HASTY_S = 2.0  # in which a receiver must answer, that of a busy machine too

if why := missing():
    pytest.skip(why, allow_module_level=True)


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    with nothing_stays():
        yield


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered(tmp_path_factory.mktemp("stream") / "clip.mp4")


def test_a_receiver_that_was_killed_gets_pictures_again_and_the_video_has_every_frame(
    clip: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    with RtspReceiver(tmp_path) as receiver:

        def restart() -> None:
            time.sleep(0.03)  # a recording waits for whoever looks on, and so comes at about its own pace
            if receiver.starts == 1 and receiver.taken > 20_000:
                receiver.kill()
                receiver.start()

        watch = Watch(restart)
        out = OutputConfig(save=str(tmp_path / "o.mp4"), stream=receiver.address())
        report = execute(str(clip), config(models, out, 100), watch).report
        told = report["stream"]
        until(lambda: taken(receiver, "road"))
    film_s, film = shown(tmp_path / "o.mp4")
    assert len(film) == report["frames"]["processed"] == 100
    assert [round((later - sooner) * FPS) for sooner, later in pairwise(film_s)] == [1] * 99
    before, behind = (places(shown(receiver.file(start))[1], film) for start in (0, 1))
    assert max(before) < min(behind)
    assert told["connections"] == 2
    assert told["sent"] + sum(told["dropped"].values()) == 100
    assert sum("ended the connection; it is tried again" in note for note in watch.notes) == 1
    assert sum("takes the pictures again" in note for note in watch.notes) == 1


def test_a_receiver_that_freezes_holds_up_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)  # some 300 kB each
    with RtspReceiver(tmp_path) as receiver:
        hasty = sink(receiver.address(), live=False, timeout_s=HASTY_S)
        patient = sink(receiver.address(path="one"), live=False, timeout_s=60.0)
        hasty.write(picture(0, noise))
        patient.write(picture(0, noise))
        receiver.freeze()
        memory: list[int] = []
        news: list[str] = []
        longest_s, index = 0.0, 0
        until_s = time.monotonic() + 20
        while not (news := hasty.news()) and time.monotonic() < until_s:
            index += 1
            began_s = time.monotonic()
            hasty.write(picture(index, noise))
            patient.write(picture(index, noise))
            longest_s = max(longest_s, time.monotonic() - began_s)
            memory.append(psutil.Process().memory_info().rss)
            time.sleep(0.005)
        assert f"does not answer within {HASTY_S:g} s" in news[0]
        assert hasty.dropped["slow"] > 20
        assert hasty.dropped["away"] >= 1
        assert set(patient.dropped) == {"slow"}  # it still waits
        assert longest_s < HASTY_S / 2  # no write waited for it
        assert memory[-1] - memory[len(memory) // 3] < 10e6
        began_s = time.monotonic()
        for out in (hasty, patient):
            out.close(True)
            assert out.report()["sent"] + sum(out.dropped.values()) == index + 1
        assert time.monotonic() - began_s < CLOSE_S + 2


@contextmanager
def silent() -> Iterator[int]:
    """The port of one that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("kind", ["rtsp", "rtmp"])
def test_one_that_never_answers_delays_neither_the_frames_of_a_live_source_nor_the_end(kind: str) -> None:
    others = children()
    with silent() as port:
        out = sink(f"{kind}://driver:{SECRET}@127.0.0.1:{port}/live/road", timeout_s=30.0)
        for index in range(40):
            out.write(picture(index))
            time.sleep(0.01)
        (child,) = children() - others
        assert SECRET not in " ".join(child.cmdline())  # which every user of the machine can read
        began_s = time.monotonic()
        out.close(True)
        assert time.monotonic() - began_s < 15
    assert out.dropped == {"away": 40}
    assert SECRET not in repr((out.news(), out.notes, out.report()))


def test_a_recording_that_nobody_takes_is_an_error_that_shows_no_password(
    clip: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    words = ("-m", models[0], "--backend", "null", "--unverified", "--save", tmp_path / "o.mp4")
    nobody = f"rtsp://driver:{SECRET}@127.0.0.1:{free_port()}/road"
    said = dashmask("run", clip, *words, "--stream", nobody)
    assert said.code == 2
    assert "nothing listens there" in said.err
    with silent() as port:
        address = nobody.replace(str(nobody.rpartition(":")[2]), f"{port}/road")
        late = dashmask(
            "run", clip, *words, "--set", f"output.stream={address}", "--set", "output.stream_timeout_s=0.7"
        )
    assert late.code == 2
    assert "does not answer within 0.7 s" in late.err
    with RtspReceiver(tmp_path, "driver", "another") as receiver:
        wrong = dashmask("run", clip, *words, "--stream", receiver.address(f"driver:{SECRET}"))
        nowhere = dashmask("run", clip, *words, "--stream", receiver.address("driver:another", "nowhere"))
    assert "refuses the user name or the password" in wrong.err
    assert "nothing at this path (404)" in nowhere.err
    assert SECRET not in said.err + late.err + wrong.err
    assert not list(tmp_path.glob("o.mp4"))


def test_a_live_source_finds_its_receiver_once_it_is_there_and_that_is_said_once(tmp_path: Path) -> None:
    files = psutil.Process().num_fds()
    receiver = RtspReceiver(tmp_path)
    receiver.port = free_port()
    out = sink(receiver.address())
    try:
        news: list[str] = []
        for index in range(2000):
            out.write(picture(index))
            news += out.news()
            time.sleep(0.01)
            if receiver.starts == 0 and out.dropped["away"] > 100:
                receiver.start()
            if out.report()["sent"] > 10:
                break
        out.close(True)
        news += out.news()
    finally:
        receiver.kill()
    assert [one.split(" ", 1)[1].split(";")[0] for one in news][:1] == [
        "refuses the connection: nothing listens there"
    ]
    assert psutil.Process().num_fds() <= files  # after some attempts
    assert len(news) == 2
    assert "takes the pictures again" in news[1]


def test_a_protocol_that_this_ffmpeg_does_not_know_is_an_error() -> None:
    out = sink("srt://127.0.0.1:9")
    if not has_srt():
        with pytest.raises(SinkError, match="built without its protocol"):
            write_for_ever(out)
    out.close(True)


def write_for_ever(out: StreamSink) -> None:
    while True:
        out.write(picture(0))
        time.sleep(0.02)


def has_srt() -> bool:
    try:
        av.open("srt://127.0.0.1:9?timeout=1", timeout=0.1).close()
    except av.error.ProtocolNotFoundError:
        return False
    except av.FFmpegError:
        pass
    return True


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("road.ts", "needs an address"),
        ("tcp://h:1", "needs an address"),
        ("udp://h", "a host and a port"),
        ("srt://:9", "a host and a port"),
        ("rtsp://h:x/road", "no valid address"),
        (f"http://driver:{SECRET}@h:80/live.ts", "not served over http"),
    ],
)
def test_what_is_no_address_of_a_receiver_is_refused_before_anything_runs(address: str, told: str) -> None:
    with pytest.raises(SinkError, match=told) as refused:
        parse_address(address, masked(address))
    assert SECRET not in str(refused.value)
