"""What the page costs a run: CPU time a frame without it, with it, and with somebody who watches.

    python benchmarks/web_cost.py [--frames 60] [--turns 5] [--json OUT.json]

One process, one run with a page: blocks of frames take turns, in random order, between nobody watching and one viewer
who reads the live picture (in another process, so that what he does is not counted) and the events. Counted is the
CPU time of the whole process, all threads, over a block, less that of the blocks without a viewer. The network is the
null backend and the frames lie in memory: what is left is the house itself, and a difference of 0.1 ms shows.
What a page costs depends on what is drawn for it, so three scenes are measured (`SCENES`).

`drawn anyway` is a run whose pictures are drawn for another output: the viewer costs the copy, the JPEG and the
sending. `drawn for the page` is a run that has no other output: drawing counts too. What else the machine does moves
the figures: differences are paired, and the median of the turns is told.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the checkout, installed or not

import cv2
import numpy as np

from pipeline.config import Config, RenderConfig, WebConfig
from pipeline.flow import Ledger, Pool
from pipeline.image import Image
from pipeline.live.state import SourceState
from pipeline.render import Renderer
from pipeline.render.planar import Planar
from pipeline.running.page import RunPage
from pipeline.serve.station import Station
from pipeline.sources import open_source
from pipeline.types import Frame, Picture, Scene, SourceInfo, Truth

FPS = 30.0
SCENES = (("640x360", "labels"), ("1280x720", "7 objects"), ("1280x720", "labels and 25 objects"))
VIEWER = """
import sys, http.client
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("GET", sys.argv[2])
answer = connection.getresponse()
print("on", flush=True)
while answer.read1(1 << 16):
    pass
"""


class Drive:
    """A source that is already in memory."""

    live = True
    undecodable = 0
    state = SourceState("live", time.monotonic())
    name = "drive"

    def __init__(self, size: str, shown: str, frames: int) -> None:
        with open_source(f"demo:size={size},frames={frames}") as drawn:
            self.scenes = [_scene(f, f.truth, shown) for f in drawn if f.truth is not None]
        self.info = SourceInfo("drive", self.scenes[0].frame.image.size_hw, FPS, live=True)
        self.source, self.ledger, self.opened = self, Ledger(), []  # type: ignore[var-annotated]


def _scene(frame: Frame, truth: Truth, shown: str) -> Scene:
    """The frame as a decoder gives it, and what is known of it, as far as it is shown."""
    image = Planar()(frame.image)
    image = Image(tuple(plane.copy() for plane in image.planes), image.format, image.matrix, image.full_range)
    found, labels = truth.instances, truth.labels
    if shown == "labels":
        found = None
    elif shown == "7 objects" and found is not None:
        found, labels = found.take(np.arange(min(7, len(found)))), None
    return Scene(replace(frame, image=image), found, labels)


@contextmanager
def viewer(port: int) -> Iterator[None]:
    """One who watches the picture and the figures, in processes of his own."""
    children = [
        subprocess.Popen([sys.executable, "-c", VIEWER, str(port), path], stdout=subprocess.PIPE, text=True)
        for path in ("/sources/0/stream.mjpg", "/events")
    ]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def block(page: RunPage | None, drive: Drive, renderer: Renderer, frames: int, always: bool) -> float:
    """CPU milliseconds a frame, at the pace of a camera."""
    due_s = time.monotonic()
    began_s = time.process_time()
    for number in range(frames):
        due_s += 1 / FPS
        time.sleep(max(0.0, due_s - time.monotonic()))
        scene = drive.scenes[number % len(drive.scenes)]
        frame = scene.frame
        now = Frame(number, frame.pts, frame.time_base, time.monotonic(), frame.image)
        now.stamps.spans.update(dict.fromkeys(("capture", "infer", "render"), (now.captured_s, now.captured_s)))
        shown = Scene(now, scene.instances, scene.labels)
        wanted = always or (page is not None and page.wanted(0))
        picture = renderer.render(shown) if wanted else Picture(shown, None)
        if page is not None:
            page.add(picture, time.monotonic())
        if picture.lease is not None:
            picture.lease.release()
    return (time.process_time() - began_s) / frames * 1e3


def measure(drive: Drive, frames: int, turns: int, always: bool) -> dict[str, list[float]]:
    """Turns of: no page at all, a page that nobody watches, a page with one viewer."""
    renderer = Renderer(RenderConfig(), Pool)
    page = RunPage(Config(web=WebConfig(address="127.0.0.1:0")), [drive])  # type: ignore[list-item]
    taken: dict[str, list[float]] = {"no page": [], "nobody watches": [], "one viewer": []}
    order = random.Random(0)
    with page:
        page.start([])
        port = int(page.url.rstrip("/").rpartition(":")[2])
        for _ in range(turns):
            for name in order.sample(list(taken), len(taken)):
                if name == "one viewer":
                    with viewer(port):
                        settle(page, drive, renderer)
                        taken[name].append(block(page, drive, renderer, frames, always))
                        watched(page)
                else:
                    taken[name].append(block(None if name == "no page" else page, drive, renderer, frames, always))
    return taken


def settle(page: RunPage, drive: Drive, renderer: Renderer) -> None:
    """Frames until the viewer has its picture."""
    station = stations(page)[0]
    until_s = time.monotonic() + 60
    while not station.viewers or station.live.last < 3:
        block(page, drive, renderer, 1, True)
        if time.monotonic() > until_s:
            raise SystemExit("the viewer does not come")


def watched(page: RunPage) -> None:
    """Make sure that the block was really watched."""
    if not stations(page)[0].viewers:
        raise SystemExit("the viewer has gone in the middle")


def stations(page: RunPage) -> Sequence[Station]:
    return page._stations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=60, help="of one block")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    load_before = os.getloadavg()[0]
    whole: dict[str, Any] = {
        "live_width": WebConfig().width, "fps": FPS, "frames": wanted.frames, "turns": wanted.turns,
        "python": platform.python_version(), "opencv": cv2.__version__, "cores": os.cpu_count(), "scenes": [],
    }  # fmt: skip
    print(f"{FPS:g} fps, live picture {WebConfig().width} px wide at most; ms of CPU a frame\n")
    print(f"{'':54}{'no page':>10}{'nobody':>10}{'viewer':>10}{'nobody -':>10}{'viewer -':>10}")
    for size, shown in SCENES:
        drive = Drive(size, shown, 12)
        scene: dict[str, Any] = {"size": size, "shown": shown}
        for name, always in (("drawn anyway", True), ("drawn for the page", False)):
            taken = measure(drive, wanted.frames, wanted.turns, always)
            middle = {key: statistics.median(times) for key, times in taken.items()}
            more = {
                key: statistics.median(b - a for a, b in zip(taken["no page"], taken[key], strict=True))
                for key in ("nobody watches", "one viewer")
            }
            figures = "".join(f"{figure:10.2f}" for figure in (*middle.values(), *more.values()))
            print(f"{f'{size}, {shown}, {name}':54}{figures}")
            scene[name] = {
                "cpu_ms": {key: [round(t, 3) for t in times] for key, times in taken.items()},
                "more_than_without_ms": {key: round(value, 3) for key, value in more.items()},
            }
        whole["scenes"].append(scene)
    whole["load"] = [load_before, os.getloadavg()[0]]
    print(f"\nload {load_before:.1f} before, {os.getloadavg()[0]:.1f} after")
    if wanted.json:
        wanted.json.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
