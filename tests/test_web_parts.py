"""The parts of the page that need no run: what is copied, hidden and recorded, how it stops."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from pipeline.config import Config, OutputConfig, RenderConfig, WebConfig
from pipeline.errors import SinkError
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.live.state import SourceState
from pipeline.records import record_of
from pipeline.render import Renderer
from pipeline.render.chosen import without
from pipeline.running.capture import open_supervised
from pipeline.running.page import RunPage
from pipeline.running.source_run import SourceRun
from pipeline.serve.address import Address, listen
from pipeline.serve.encoding import jpeg, shrunk
from pipeline.serve.recorder import Recorder
from pipeline.serve.source_state import state_of
from pipeline.serve.tap import EndedError, Tap
from pipeline.sinks.jsonl import JsonlSink
from pipeline.sources import open_source
from pipeline.types import Instances, Labels, Picture, Scene, SourceInfo

for needed in ("starlette", "uvicorn", "prometheus_client", "python_multipart"):
    pytest.importorskip(needed, reason="not installed: the extra `web`")


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture(scope="module")
def drive() -> Scene:
    """A drawn street with its exact truth as what was found."""
    with open_source("demo:size=320x240,frames=1,seed=1") as frames:
        frame = next(iter(frames))
    truth = frame.truth
    assert truth is not None
    return Scene(frame, truth.instances, truth.labels)


def test_a_picture_is_copied_and_encoded_only_for_who_waits_and_once_for_all() -> None:
    copies, encodes = [], []

    def copy(image: Image) -> Image:
        copies.append(image)
        return image

    def encode(image: Image) -> bytes:
        encodes.append(image)
        return b"%d" % len(encodes)

    image = Image((np.zeros((4, 4, 3), np.uint8),), "bgr24")

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        tap = Tap(loop, copy, encode)
        tap.offer(image)
        assert (tap.wanted, copies) == (False, [])
        viewers = [asyncio.ensure_future(tap.after(0)) for _ in range(5)]
        await asyncio.sleep(0)
        assert tap.wanted
        for _ in range(3):  # only the first of them is taken
            await loop.run_in_executor(None, tap.offer, image)
        assert await asyncio.gather(*viewers) == [(1, b"1")] * 5
        assert (len(copies), len(encodes)) == (1, 1)
        late = asyncio.ensure_future(tap.after(1))
        await asyncio.sleep(0)
        tap.close()
        with pytest.raises(EndedError):
            await late
        with pytest.raises(EndedError):
            await tap.after(1)

    asyncio.run(watch())


def test_no_more_pictures_are_taken_than_the_stated_rate() -> None:
    image = Image((np.zeros((4, 4, 3), np.uint8),), "bgr24")

    async def watch() -> int:
        tap = Tap(asyncio.get_running_loop(), lambda i: i, lambda i: b"", fps=20.0)
        taken, number, until_s = 0, 0, time.monotonic() + 0.5
        while time.monotonic() < until_s:
            waiting = asyncio.ensure_future(tap.after(number))
            while not waiting.done() and time.monotonic() < until_s:
                tap.offer(image)
                await asyncio.sleep(0.001)
            if waiting.done():
                number, taken = (await waiting)[0], taken + 1
            waiting.cancel()
        return taken

    assert 1 <= asyncio.run(watch()) <= 12


@pytest.mark.usefixtures("no_thread_is_left")
def test_a_server_may_be_stopped_in_every_state() -> None:
    from pipeline.serve.server import Server

    listening, _ = listen(Address("127.0.0.1", 0))
    never = Server(listening)
    assert never.stop()
    assert never.stop()
    config = Config(web=WebConfig(address="127.0.0.1:0"))
    RunPage(config, []).close()
    page = RunPage(config, [])
    page.start([])
    page.start([])
    page.close()
    page.close()
    page.start([])


@pytest.mark.parametrize("form", ["bgr24", "yuv420p", "yuv444p", "nv12", "bgra32"])
def test_a_small_picture_is_the_picture(drive: Scene, form: str) -> None:
    bgr = drive.frame.image.bgr()
    if form == "bgr24":
        image = Image((bgr,), "bgr24")
    elif form == "bgra32":
        image = Image((cv2.merge([bgr, np.full(bgr.shape[:2], 255, np.uint8)]),), "bgra32")
    elif form == "yuv444p":
        y, cr, cb = cv2.split(cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb))
        image = Image((y, cb, cr), "yuv444p", full_range=True)
    else:
        flat = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
        u, v = flat[240:300].reshape(120, 160), flat[300:].reshape(120, 160)
        image = Image((flat[:240], u, v) if form == "yuv420p" else (flat[:240], cv2.merge([u, v])), form)  # type: ignore[arg-type]
    small = shrunk(image, 200)
    assert small.size_hw == (150, 200)
    seen = cv2.imdecode(np.frombuffer(jpeg(small, 95), np.uint8), cv2.IMREAD_COLOR)
    expected = cv2.resize(bgr, (200, 150), interpolation=cv2.INTER_AREA)
    assert np.abs(seen.astype(int) - expected).mean() < 6
    whole = shrunk(image, 4000)
    assert whole.size_hw == (240, 320)
    assert not np.shares_memory(whole.planes[0], image.planes[0])


def test_what_is_transparent_is_black_and_not_what_lies_under_it() -> None:
    bgra = np.full((8, 8, 4), 200, np.uint8)
    bgra[:4, :, 3] = 0
    small = shrunk(Image((bgra,), "bgra32"), 8).bgr()
    assert small[0, 0].tolist() == [0, 0, 0]
    assert small[7, 7].any()


def test_a_hidden_class_is_as_if_it_had_not_been_found(drive: Scene) -> None:
    assert isinstance(drive.instances, Instances)
    drive = replace(drive, instances=replace(drive.instances, track_ids=np.arange(1, len(drive.instances) + 1)))
    before = record_of(drive, timing=False)
    names = sorted({one["class"] for one in before["instances"]} | set(before["labels"]))
    hidden = set(names[::2])
    after = record_of(without(drive, hidden), timing=False)
    assert after["instances"] == [one for one in before["instances"] if one["class"] not in hidden]
    assert after["labels"] == {name: rle for name, rle in before["labels"].items() if name not in hidden}
    assert record_of(drive, timing=False) == before


def test_what_is_blurred_stays_blurred_when_it_is_not_shown(drive: Scene) -> None:
    assert isinstance(drive.labels, Labels)
    assert isinstance(drive.instances, Instances)
    names = drive.instances.classes.names
    name = names[int(drive.instances.class_ids[0])]
    plain = RenderConfig(alpha=0.0, outlines=False, boxes=False, names=False, scores=False, legend=False)
    hidden = Renderer(msgspec.structs.replace(plain, blur=(name,)), Pool).render(drive, hidden=[name]).image
    blurred = Renderer(msgspec.structs.replace(plain, blur=(name,)), Pool).render(drive).image
    assert hidden is not None
    assert blurred is not None
    assert np.array_equal(hidden.bgr(), blurred.bgr())
    shown = Renderer(plain, Pool).render(drive).image
    assert shown is not None
    assert not np.array_equal(hidden.bgr(), shown.bgr())


def test_a_recording_that_cannot_be_written_ends_and_the_run_goes_on(drive: Scene, tmp_path: Path) -> None:
    @dataclass
    class FullDisk:
        written: int = 0
        notes: list[str] = field(default_factory=list)

        def write(self, picture: Picture) -> None:
            raise SinkError("o.mp4 cannot be written: No space left on device")

        def close(self, whole: bool) -> None:
            assert not whole

    picture = Picture(drive, drive.frame.image)
    recorder = Recorder(tmp_path, "a", lambda stem, first: [FullDisk()])
    recorder.start()
    recorder.write(picture)
    assert not recorder.wanted
    assert "No space left" in recorder.state()["reason"]
    recorder.write(picture)
    recorder.close(True)
    assert any("recording ended" in note for note in recorder.notes)

    whole = Recorder(tmp_path / "sub", "a", lambda stem, first: [JsonlSink(stem.with_name(stem.name + ".jsonl"))])
    for _ in range(2):
        whole.start()
        whole.start()
        whole.write(picture)
        whole.stop()
        whole.write(picture)
        whole.write(picture)
    assert len(list((tmp_path / "sub").glob("a-*.jsonl"))) == 2
    with pytest.raises(SinkError, match="off"):
        Recorder(None, "a", lambda stem, first: []).start()


def test_a_recording_of_a_codec_that_is_none_leaves_no_file(drive: Scene, tmp_path: Path) -> None:
    web = WebConfig(address="127.0.0.1:0", recordings=str(tmp_path))
    config = Config(output=OutputConfig(codec="none-such"), web=web)
    with RunPage(config, [SourceRun("demo", "demo", open_supervised("demo", config), config.output)]) as page:
        recorder = page.sink(0)[1]()
        assert isinstance(recorder, Recorder)
        recorder.start()
        recorder.write(Picture(drive, drive.frame.image))
        recorder.close(True)
    assert "none-such" in recorder.state()["reason"]
    assert not list(tmp_path.iterdir())


def test_a_source_that_is_live_while_nothing_comes_out_counts_as_stalled() -> None:
    now_s = time.monotonic()

    @dataclass
    class Camera:
        state: SourceState
        live: bool = True
        info: SourceInfo = field(default_factory=lambda: SourceInfo("camera"))

    live = Camera(SourceState("live", now_s - 60, gaps=2))
    assert state_of(live, now_s - 0.1, 5.0).state == "live"
    stalled = state_of(live, now_s - 20, 5.0)
    assert (stalled.state, stalled.gaps) == ("stalled", 2)
    assert "20 s" in stalled.reason
    lost = state_of(Camera(SourceState("lost", now_s - 7, 3, "the cable is out")), now_s - 20, 5.0)
    assert (lost.state, lost.attempt, lost.reason, round(lost.since_s)) == ("lost", 3, "the cable is out", 7)
    assert state_of(Camera(SourceState("live", now_s)), None, 5.0).state == "live"


def test_the_page_is_no_part_of_a_run_that_has_none() -> None:
    program = "import sys, pipeline.run; print([m for m in ('starlette', 'uvicorn', 'asyncio') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"
