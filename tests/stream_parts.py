"""What tests of a live stream need: pictures, a sink, a run to look on at, and what a receiver got."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
from clips import bars, scene, write_clip
from numpy.typing import NDArray
from rtsp_receiver import RtspReceiver

from pipeline.config import BackendConfig, Config, OutputConfig, ReconnectConfig, SourceConfig
from pipeline.image import Image
from pipeline.live.backoff import waits_s
from pipeline.sinks.stream.address import parse_address
from pipeline.sinks.stream.sink import StreamSink
from pipeline.sources.network import masked
from pipeline.types import Frame, Picture, Scene

SECRET = "s3cret"
FPS = 25
RULES = ReconnectConfig(first_wait_s=0.1, longest_wait_s=0.3, seed=1)
Luma = NDArray[np.uint8]


def numbered(path: Path) -> Path:
    """Eight seconds of numbered pictures, 128x96."""
    draw = lambda index, hw: bars(index % 256, hw)  # noqa: E731
    options = {"g": "10", "preset": "ultrafast", "tune": "zerolatency"}
    return write_clip(path, "libx264", frames=8 * FPS, fps=FPS, draw=draw, options=options)


@contextmanager
def nothing_stays() -> Iterator[None]:
    """No process and no thread of a stream is left behind."""
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


def send(out: StreamSink, one: Picture) -> None:
    """Write a picture and wait until it is sent, so that a busy machine drops none."""
    before = out.report()["sent"]
    out.write(one)
    until(lambda: out.report()["sent"] > before)


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


def taken(receiver: RtspReceiver, path: str) -> int:
    file = receiver.file(path=path)
    if not file.exists() or file.stat().st_size < 1000:
        return 0
    with av.open(str(file)) as container:
        return sum(1 for _ in container.decode(video=0))


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(type=kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
