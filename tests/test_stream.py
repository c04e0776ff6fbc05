"""The picture of a run as a live stream, to real receivers: GStreamer's RTSP server, FFmpeg's over RTMP and UDP."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from clips import bars, scene, write_clip
from command import dashmask
from numpy.typing import NDArray
from rtsp_camera import RtspCamera, missing
from rtsp_receiver import RtspReceiver

from pipeline.config import BackendConfig, Config, OutputConfig, ReconnectConfig, SourceConfig
from pipeline.errors import SinkError
from pipeline.image import Image
from pipeline.live.backoff import waits_s
from pipeline.run import run as execute
from pipeline.sinks.stream.address import parse_address
from pipeline.sinks.stream.publisher import CLOSE_S
from pipeline.sinks.stream.sink import StreamSink
from pipeline.sources.network import masked
from pipeline.types import Frame, Picture, Scene

SECRET = "s3cret"
FPS = 25
RULES = ReconnectConfig(first_wait_s=0.1, longest_wait_s=0.3, seed=1)
Luma = NDArray[np.uint8]


@pytest.fixture(scope="module", autouse=True)
def _server() -> None:
    if why := missing():
        pytest.skip(why)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of numbered pictures, 128x96."""
    path = tmp_path_factory.mktemp("stream") / "clip.mp4"
    draw = lambda index, hw: bars(index % 256, hw)  # noqa: E731
    options = {"g": "10", "preset": "ultrafast", "tune": "zerolatency"}
    return write_clip(path, "libx264", frames=8 * FPS, fps=FPS, draw=draw, options=options)


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    """No process and no thread of a stream is left by any test here."""
    others = children()
    yield
    assert children() <= others
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("stream")]


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def picture(index: int, bgr: NDArray[np.uint8] | None = None) -> Picture:
    image = Image((scene(index) if bgr is None else bgr,), "bgr24")
    frame = Frame(index, index * 40, Fraction(1, 1000), time.monotonic(), image)
    return Picture(Scene(frame, None, None), image)


def sink(url: str, live: bool = True, timeout_s: float = 5.0, kbps: int | None = None) -> StreamSink:
    waits = lambda: waits_s(RULES, random.Random(1))  # noqa: E731
    address = parse_address(url, masked(url))
    return StreamSink(address, live=live, waits=waits, timeout_s=timeout_s, rate=FPS, kbps=kbps)


def shown(path: Path | str, **options: str) -> tuple[list[float], list[Luma]]:
    """Times, seconds, and luma (h, w) of every picture."""
    with av.open(str(path), options=options) as container:
        frames = list(container.decode(video=0))
    return [frame.time or 0.0 for frame in frames], [luma(frame) for frame in frames]


def luma(frame: av.VideoFrame) -> Luma:
    return frame.to_ndarray(format="yuv420p")[: frame.height]


def psnr(one: Luma, other: Luma) -> float:
    return float(10 * np.log10(255**2 / max(1e-3, np.mean((one.astype(float) - other) ** 2))))


def places(taken: Sequence[Luma], film: Sequence[Luma]) -> list[int]:
    """Where in the film each picture is found; it must be nearly the same there."""
    first = max(range(len(film)), key=lambda index: psnr(taken[0], film[index]))
    found = []
    for one in taken:
        while first < len(film) and psnr(one, film[first]) < 33:
            first += 1
        assert first < len(film), "a picture that is not in the film"
        found.append(first)
    return found


class Watch:
    """Looks on; does something at each look."""

    def __init__(self, do: Callable[[], object] = lambda: None) -> None:
        self.notes: list[str] = []
        self._do = do

    def started(self, *told: object) -> None:
        pass

    def frame(self, *told: object) -> None:
        self._do()

    def sources(self, *told: object) -> None:
        self._do()

    def noted(self, notes: list[str]) -> None:
        self.notes += notes


def config(models: tuple[Path, Path], out: OutputConfig, frames: int) -> Config:
    return Config(
        model=(str(models[0]),),
        backend=BackendConfig(name="null", unverified=True),
        source=SourceConfig(frames=frames, open_timeout_s=5),
        output=out,
    )


def until(true: Callable[[], object], patience_s: float = 20) -> None:
    end_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end_s, "it does not happen"
        time.sleep(0.02)


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
        until(lambda: len(shown(receiver.file())[0]) >= told["sent"] - 1)
    film_s, film = shown(tmp_path / "o.mp4")
    times_s, taken = shown(receiver.file())
    assert taken[0].shape == film[0].shape == (96, 128)
    assert len(film) == told["sent"] + sum(told["dropped"].values())
    assert len(taken) >= told["sent"] - 1 >= 10
    at = places(taken, film)
    assert at == sorted(set(at))
    # GStreamer corrects times by when packets come, so that one step may differ; over UDP times are compared exactly.
    assert times_s[-1] - times_s[0] == pytest.approx(film_s[at[-1]] - film_s[at[0]], abs=0.2)
    last = json.loads((tmp_path / "o.jsonl").read_text().splitlines()[-1])["dropped"]
    assert last.get("stream:away", 0) == told["dropped"].get("away", 0)
    assert SECRET not in json.dumps(outcome.report)


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


def taken(receiver: RtspReceiver, path: str) -> int:
    file = receiver.file(path=path)
    if not file.exists() or file.stat().st_size < 1000:
        return 0
    with av.open(str(file)) as container:
        return sum(1 for _ in container.decode(video=0))


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
    pictures = [picture(index) for index in range(70)]
    for one in pictures:
        out.write(one)
        time.sleep(0.02)
    out.close(True)
    reading.join()
    assert out.report()["sent"] >= len(got) >= 60
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
            out.write(picture(index, dice.integers(0, 256, (96, 128, 3), np.uint8)))
            time.sleep(0.01)
            with suppress(BlockingIOError):
                while data := listening.recv(2000):
                    assert len(data) % 188 == 0  # whole packets of MPEG-TS
                    came += len(data)
        out.close(True)
    sent_s = out.report()["sent"] / FPS
    most = 1.5 * 200e3 / 8 * sent_s  # what MPEG-TS wraps around pictures this small is counted as well
    assert (came > 4 * most) if kbps is None else (came < most)


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


def test_a_receiver_that_freezes_holds_up_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)  # some 300 kB each
    with RtspReceiver(tmp_path) as receiver:
        hasty = sink(receiver.address(), live=False, timeout_s=0.7)
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
        assert "does not answer within 0.7 s" in news[0]
        assert hasty.dropped["slow"] > 20
        assert hasty.dropped["away"] >= 1
        assert set(patient.dropped) == {"slow"}  # it still waits
        assert longest_s < 0.6  # less than the time-out: no write waited for it
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


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(type=kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
