"""Runs over cameras with RTSP that break, crawl and change: what is written, and who notices."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path

import av
import psutil
import pytest
from rtsp_camera import RtspCamera
from rtsp_clips import CLIP_S, RULES, SECRET, numbered
from rtsp_process import missing

from pipeline.config import BackendConfig, Config, OutputConfig, SourceConfig
from pipeline.live.state import SourceState
from pipeline.records import is_gap
from pipeline.run import SourceRun
from pipeline.run import run as execute
from pipeline.types import Gap


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many seconds of numbered pictures, 128x96."""
    if why := missing():
        pytest.skip(why)
    return numbered(tmp_path_factory.mktemp("rtsp") / "clip.mp4")


def test_a_camera_that_comes_back_in_another_size_goes_on_in_the_same_video(
    clip: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    other = numbered(tmp_path / "other.mp4", (144, 192))
    with RtspCamera(clip) as camera:

        def switch(runs: list[SourceRun]) -> None:
            if runs[0].summary.processed >= 25 and camera.clip == clip:
                camera.kill()
                camera.clip = other
                camera.start()

        watch = Watch(switch)
        out = OutputConfig(save=str(tmp_path / "o.mp4"), json=str(tmp_path / "o.jsonl"))
        outcome = execute(camera.address(), null_config(models, out, frames=60), watch)
    assert any("came back as 192x144 h264, it was 128x96 h264" in state.reason for state in watch.states)
    records = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert sum("gap" in record for record in records) == 1
    assert len(records) == outcome.report["frames"]["processed"] + 1
    with av.open(str(tmp_path / "o.mp4")) as film:
        shown = [(frame.width, frame.height) for frame in film.decode(video=0)]
    assert shown == [(128, 96)] * (len(records) - 1)  # fitted into the first size
    assert any("changed their size" in note for note in watch.notes)


class Watch:
    """Looks on; does something at each look."""

    def __init__(self, do: Callable[[list[SourceRun]], None] = lambda runs: None) -> None:
        self.states: list[SourceState] = []
        self.notes: list[str] = []
        self.ages_s: list[float] = []
        self.runs: list[SourceRun] = []
        self._do = do

    def started(self, *told: object) -> None:
        pass

    def frame(self, *told: object) -> None:
        raise AssertionError("a live run tells of its sources")

    def sources(self, runs: list[SourceRun]) -> None:
        self.runs = runs
        self.states += [state for one in runs for state in one.source.changes()]
        self.ages_s += [one.age_s for one in runs if one.age_s is not None]
        self._do(runs)

    def noted(self, notes: list[str]) -> None:
        self.notes += notes


def null_config(models: tuple[Path, Path], out: OutputConfig, frames: int | None = None) -> Config:
    return Config(
        model=(str(models[0]),),
        backend=BackendConfig(name="null", unverified=True),
        source=SourceConfig(frames=frames, reconnect=RULES, open_timeout_s=3, read_timeout_s=0.8),
        output=out,
    )


def accounted(one: SourceRun) -> bool:
    """Whether every frame that came was processed or dropped for a reason."""
    return one.source.frames == one.ledger.captured == one.summary.processed + sum(one.ledger.drops.values())


def test_of_three_cameras_one_dies_again_and_again_and_the_others_do_not_notice(
    clip: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    with RtspCamera(clip) as one, RtspCamera(clip) as two, RtspCamera(clip) as three:
        deaths = iter((25, 50, 75))
        due = next(deaths)

        def kill_two(runs: list[SourceRun]) -> None:
            nonlocal due
            if runs[1].ledger.captured >= due:
                two.kill()
                two.start()
                due = next(deaths, 10_000)

        watch = Watch(kill_two)
        out = OutputConfig(json=str(tmp_path / "{source}.jsonl"))
        addresses = [camera.address(f"admin:{SECRET}") for camera in (one, two, three)]
        outcome = execute(addresses, null_config(models, out, frames=110), watch)
    assert not outcome.interrupted
    reports = outcome.report["sources"]
    assert [report["captured"] for report in reports] == [110] * 3
    assert all(accounted(run) for run in watch.runs)
    assert [report["gaps"] for report in reports] == [0, 3, 0]
    gaps = [sum(map(is_gap, path.read_bytes().splitlines())) for path in tmp_path.iterdir()]
    assert sorted(gaps) == [0, 0, 3]
    assert not any(SECRET in path.name or SECRET in path.read_text() for path in tmp_path.iterdir())
    assert SECRET not in json.dumps(outcome.report)


class Narrow:
    """A slow network: passes on to a server, in bursts, at a limited rate."""

    def __init__(self, port: int, bytes_a_s: int, burst_s: float) -> None:
        self._to, self._share, self._burst_s = port, int(bytes_a_s * burst_s), burst_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        with (
            suppress(OSError),
            self._listener.accept()[0] as near,
            socket.create_connection(("127.0.0.1", self._to)) as far,
        ):
            back = threading.Thread(target=self._pump, args=(near, far, 0.0))
            back.start()
            self._pump(far, near, self._burst_s)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket, pause_s: float) -> None:
        with suppress(OSError):
            while data := source.recv(self._share):
                sink.sendall(data)
                if self._closing.wait(pause_s * len(data) / self._share):
                    break
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def open(self) -> Iterator[int]:
        try:
            yield self.port
        finally:
            self._closing.set()
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._threads[0].join()


def slowly(address: str, models: tuple[Path, Path]) -> tuple[tuple[bool, int], list[float], list[int]]:
    """A run whose taker is slower than the camera: counts, ages, and the process's memory at each frame, bytes."""
    process, memory = psutil.Process(), []

    def work(runs: list[SourceRun]) -> None:
        memory.append(process.memory_info().rss)
        time.sleep(0.1)

    watch = Watch(work)
    execute(address, null_config(models, OutputConfig(), frames=150), watch)
    run = watch.runs[0]
    return (accounted(run), run.ledger.drops["newest"]), watch.ages_s, memory


def test_over_a_slow_network_with_slow_work_neither_memory_nor_age_grows(
    clip: Path, models: tuple[Path, Path]
) -> None:
    size = clip.stat().st_size
    alone = ProcessPoolExecutor(1, get_context("spawn"))  # whose memory is that of this run, and of no other test
    with RtspCamera(clip) as camera, Narrow(camera.port, 3 * size // CLIP_S, 0.2).open() as port, alone:
        address = camera.address().replace(str(camera.port), str(port))
        (whole, dropped), ages_s, memory = alone.submit(slowly, address, models).result(60)
    assert whole
    assert dropped > 50
    assert max(memory) - memory[len(memory) // 4] < 8e6
    half = len(ages_s) // 2
    assert max(ages_s[half:]) < 1.5  # under way: 3 frames, each waits for 0.1 s of work


def test_the_command_says_once_what_was_lost_and_leaves_whole_files_at_ctrl_c(
    clip: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    with RtspCamera(clip, "admin", SECRET) as camera:
        settings = ("source.reconnect.first_wait_s=0.2", "source.read_timeout_s=1")
        command = [
            *(sys.executable, "-c", "from pipeline.cli import main; main()"),
            *("run", camera.address(f"admin:{SECRET}"), "-m", str(models[0]), "--backend", "null", "--unverified"),
            *("--save", "o.mp4", "--json", "o.jsonl", "--summary", "o.json"),
            *(word for setting in settings for word in ("--set", setting)),
        ]
        root = str(Path(__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
            until(lambda: lines_of(tmp_path) > 20)
            camera.kill()
            camera.start()
            until(lambda: '{"gap"' in text_of(tmp_path))
            before = lines_of(tmp_path)
            until(lambda: lines_of(tmp_path) > before + 10)
            camera.freeze()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    losses = [line for line in said.splitlines() if line.startswith("lost: ")]
    assert "was lost after" in losses[0]
    assert len(set(losses)) == len(losses) <= 3  # it may refuse until it listens again
    assert "live again after 1 gap" in said
    assert SECRET not in said
    records = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert SECRET not in (tmp_path / "o.json").read_text() + (tmp_path / "o.jsonl").read_text()
    (gap,) = (Gap(**record["gap"]) for record in records if "gap" in record)
    times_s = [record["pts_s"] for record in records if "pts_s" in record]
    assert gap.from_pts_s <= max(time_s for time_s in times_s if time_s <= gap.from_pts_s) + 0.5
    with av.open(str(tmp_path / "o.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == len(times_s)


def text_of(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.glob("o.part.jsonl"))


def lines_of(folder: Path) -> int:
    return text_of(folder).count("\n")


def until(true: Callable[[], bool], patience_s: float = 25) -> None:
    end_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.05)
