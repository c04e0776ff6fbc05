"""What `--log json` says of a live source while it goes through its states, and of a live stream's receiver."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from clips import write_clip
from rtsp_camera import RtspCamera
from rtsp_process import missing
from rtsp_receiver import RtspReceiver

SECRET = "s3cret"
PATIENCE_S = 40
STEPS = {  # a camera that starts again may refuse at first, and the last picture of one that froze may come late
    *(("connecting", "live"), ("connecting", "lost"), ("live", "stalled"), ("live", "lost"), ("live", "ended")),
    *(("stalled", "live"), ("stalled", "lost"), ("lost", "connecting")),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds, 128x96."""
    if why := missing():
        pytest.skip(why)
    options = {"g": "10", "preset": "ultrafast", "tune": "zerolatency"}
    return write_clip(tmp_path_factory.mktemp("log") / "clip.mp4", "libx264", frames=300, fps=25, options=options)


class Logged:
    """A run in a process of its own, and the lines that it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Whole lines; each must be JSON."""
        return [json.loads(line) for line in self._log.read_text().rpartition("\n")[0].splitlines()]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == "state"]

    def wait(self, happened: Callable[[], object]) -> None:
        until_s = time.monotonic() + PATIENCE_S
        while not happened():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < until_s, self._log.read_text()
            time.sleep(0.05)

    def wait_for(self, state: str) -> None:
        """Until this is the state of the last line about one."""
        self.wait(lambda: [line["state"] for line in self.states][-1:] == [state])

    def end(self) -> None:
        """SIGTERM; it must end well."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(PATIENCE_S) == 0, self._log.read_text()


@contextmanager
def logged(folder: Path, model: Path, *words: str) -> Iterator[Logged]:
    run = ["run", *words, "--log", "json", "-m", str(model), "--backend", "null", "--unverified"]
    log = folder / "log"
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    with log.open("wb") as said:
        command = [sys.executable, "-c", "from pipeline.cli import main; main()", *run]
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=said)
    try:
        yield Logged(process, log)
    finally:
        process.kill()
        process.wait()


def test_each_change_of_a_live_source_is_one_line_with_its_reason(
    clip: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    keys = ("read_timeout_s=1.6", "open_timeout_s=3", "reconnect.first_wait_s=0.2")
    timing = [word for key in keys for word in ("--set", f"source.{key}")]
    with RtspCamera(clip, "admin", SECRET) as camera:
        address = camera.address(f"admin:{SECRET}")
        with logged(tmp_path, models[0], address, *timing) as run:
            run.wait_for("live")
            camera.freeze()
            run.wait_for("stalled")
            run.wait_for("lost")
            camera.thaw()
            run.wait_for("live")
            camera.kill()
            run.wait_for("lost")
            camera.start()
            run.wait_for("live")
            run.end()
            lines, states = run.lines, run.states
    assert {line["source"] for line in states} == {f"127.0.0.1-{camera.port}-clip"}
    names = [line["state"] for line in states]
    assert names[:3] == ["connecting", "live", "stalled"]
    assert names[-2:] == ["live", "ended"]
    assert {step for step in pairwise(names) if step not in STEPS} == set()
    stalled = next(line for line in states if line["state"] == "stalled")
    assert stalled["level"] == "warning"
    assert stalled["reason"].endswith("nothing came for 0.8 s")
    lost = [line for line in states if line["state"] == "lost"]
    assert "was lost after" in lost[0]["reason"]
    assert "nothing came for 1.6 s" in lost[0]["reason"]
    assert any("the other side ended it" in line["reason"] for line in lost[1:])
    assert {line["level"] for line in lost} == {"warning"}
    opened = [
        later for sooner, later in pairwise(states) if (sooner["state"], later["state"]) == ("connecting", "live")
    ]
    assert [line["gaps"] for line in opened] == [0, 1, 2]
    assert {(line["level"], line["reason"], line["attempt"]) for line in opened} == {("info", "", 0)}
    assert states[0]["attempt"] == 1
    assert states[-1]["gaps"] == 2
    assert [line["event"] for line in lines if line["event"] in ("started", "finished")] == ["started", "finished"]
    assert lines[0] == {**lines[0], "event": "started", "live": True}
    assert SECRET not in (tmp_path / "log").read_text()


def test_a_source_that_is_given_up_ends_with_its_reason(models: tuple[Path, Path], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"rtsp://admin:{SECRET}@127.0.0.1:{taken.getsockname()[1]}/clip"
        tries = ("--set", "source.reconnect.attempts=2", "--set", "source.reconnect.first_wait_s=0.1")
        with logged(tmp_path, models[0], address, *tries) as run:
            run.wait(lambda: [line for line in run.lines if line["event"] == "failed"])
            failed = run.lines[-1]
    assert failed["level"] == "error"
    assert "given up after 2 attempts" in failed["text"]
    assert SECRET not in (tmp_path / "log").read_text()


def test_a_receiver_that_comes_and_goes_is_told_of_as_it_happens(
    clip: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    with RtspCamera(clip) as camera, RtspReceiver(tmp_path, "driver", SECRET) as receiver:
        stream = ("--stream", receiver.address(f"driver:{SECRET}"))
        with logged(tmp_path, models[0], camera.address(), *stream) as run:
            run.wait(lambda: receiver.taken > 10_000)
            receiver.kill()
            run.wait(lambda: [line for line in run.lines if "tried again" in line.get("text", "")])
            receiver.start()
            run.wait(lambda: [line for line in run.lines if "takes the pictures again" in line.get("text", "")])
            run.end()
            notes = [line["text"] for line in run.lines if line["event"] == "note" and "road" in line["text"]]
    assert ["tried again" in note for note in notes] == [True, False, False]
    assert "were not sent (away " in notes[-1]
    assert SECRET not in (tmp_path / "log").read_text()
