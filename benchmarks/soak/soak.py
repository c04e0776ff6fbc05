"""Does a run stay as it was? See run.sh.

The networks are null backends: what is measured is the pipeline's own. Memory is that of the whole process, with
FFmpeg's decoders in it. After each part nothing may be left: no thread, file handle or child process; and of every
source, captured frames = processed + dropped, by cause.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import av

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1]), str(HERE.parents[1] / "tests")]  # the checkout, installed or not

from clips import write_clip
from corrupt import corrupt_files
from measure import Memory, held
from rtsp_camera import RtspCamera
from rtsp_process import missing
from tiny_models import fcn

from pipeline.config import BackendConfig, Config, OutputConfig, ReconnectConfig, SourceConfig
from pipeline.run import SourceRun, run

CARD = "family: semantic\nclasses: [red, green, blue]\ninput: {stride: 8, long_side: 128}\n"


class Watch:
    """Keeps the sources; says how far it is."""

    def __init__(self) -> None:
        self.runs: Sequence[SourceRun] = ()
        self._next_s = 0.0

    def started(self, *told: object) -> None:
        pass

    def frame(self, summary: Any, info: object) -> None:
        self._say(f"{summary.processed} frames")

    def sources(self, runs: Sequence[SourceRun]) -> None:
        self.runs = runs
        self._say(", ".join(f"{one.name} {one.source.state.state} {one.summary.processed}" for one in runs))

    def noted(self, notes: Sequence[str]) -> None:
        pass

    def _say(self, line: str) -> None:
        if time.monotonic() > self._next_s:
            print(line, file=sys.stderr, flush=True)
            self._next_s = time.monotonic() + 20


def config(model: Path, **sections: Any) -> Config:
    return Config(model=(str(model),), backend=BackendConfig(name="null", unverified=True), **sections)


def repeated(piece: Path, path: Path, frames: int) -> Path:
    """A recording of so many frames: the packets of a short one again and again."""
    with av.open(str(piece)) as film, av.open(str(path), "w") as longer:
        stream = film.streams.video[0]
        packets = [packet for packet in film.demux(stream) if packet.dts is not None]
        step = packets[1].dts - packets[0].dts
        copy = longer.add_stream_from_template(stream)
        for turn in range(frames // len(packets)):
            for packet in packets:
                packet.stream = copy
                packet.pts, packet.dts = (
                    time_ + (turn > 0) * len(packets) * step for time_ in (packet.pts, packet.dts)
                )
                longer.mux(packet)
    return path


def full_speed(folder: Path, model: Path, frames: int) -> dict[str, Any]:
    """A recording, as fast as it goes, with pictures drawn and records written."""
    clip = repeated(write_clip(folder / "piece.mp4", "libx264", frames=600, fps=25), folder / "long.mp4", frames)
    out = OutputConfig(json=str(folder / "long.jsonl"), save=str(folder / "out.mp4"))
    before = held()
    with Memory() as memory:
        frames_told = run(str(clip), config(model, output=out), Watch()).report["frames"]
    with (folder / "long.jsonl").open("rb") as lines:
        records = sum(1 for _ in lines)
    return {
        "frames": frames_told,
        "records": records,
        "accounted": frames_told["processed"] == records == frames,
        "memory": memory.report(),
        "left": left(before),
    }


def live(folder: Path, model: Path, seconds: float, every_s: float) -> dict[str, Any]:
    """Two cameras, of which one is killed and started again every so often; ended by Ctrl-C."""
    options = {"g": "25", "preset": "ultrafast", "tune": "zerolatency"}
    piece = write_clip(folder / "shot.mp4", "libx264", frames=250, fps=25, size_hw=(180, 320), options=options)
    clip = repeated(piece, folder / "live.mp4", 25 * (int(seconds) + 300) // 250 * 250)  # longer than all of it
    out = OutputConfig(json=str(folder / "{source}.jsonl"))
    rules = ReconnectConfig(first_wait_s=0.2, longest_wait_s=2, attempts=None)
    watch, done, kills = Watch(), threading.Event(), 0
    with RtspCamera(clip) as steady, RtspCamera(clip) as dying:

        def torment() -> None:
            nonlocal kills
            end_s = time.monotonic() + seconds
            while not done.wait(min(every_s, max(0.0, end_s - time.monotonic()))):
                if time.monotonic() >= end_s:
                    os.kill(os.getpid(), signal.SIGINT)
                    return
                if kills % 2:
                    dying.freeze()
                    done.wait(4)
                dying.kill()
                dying.start()
                kills += 1

        before = held()
        tormentor = threading.Thread(target=torment)
        tormentor.start()
        try:
            with Memory() as memory:
                source = SourceConfig(reconnect=rules, open_timeout_s=3, read_timeout_s=1.5)
                outcome = run([steady.address(), dying.address()], config(model, output=out, source=source), watch)
        finally:
            done.set()
            tormentor.join()
        remains = left(before, but_children=2)
    sources = [
        {
            "captured": one.source.frames,
            "processed": one.summary.processed,
            "dropped": one.ledger.drops,
            "gaps": one.source.state.gaps,
            "accounted": one.source.frames == one.summary.processed + sum(one.ledger.drops.values()),
        }
        for one in watch.runs
    ]
    return {
        "kills": kills,
        "interrupted": outcome.interrupted,
        "sources": sources,
        "accounted": all(one["accounted"] for one in sources),
        "age_ms": outcome.report["age_ms"],
        "memory": memory.report(),
        "left": remains,
    }


def left(before: Any, but_children: int = 0) -> dict[str, int]:
    """What is held now and was not before."""
    now = held()
    return {
        "threads": now.threads - before.threads,
        "handles": now.handles - before.handles,
        "children": now.children - max(before.children, but_children),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="3,000 frames, 18 seconds, 20 damaged files")
    parser.add_argument("--only", nargs="+", choices=("live", "corrupt", "full_speed"), help="these parts only")
    parser.add_argument("--json", type=Path, help="where the figures go, beside those of other parts")
    parser.add_argument("--damage", type=Path, help="the clip whose bytes are flipped; drawn by default")
    parser.add_argument("--note", default="", help="what else the machine did, for the figures")
    asked = parser.parse_args()
    frames, seconds, every_s, seeds = (3_000, 18.0, 4.0, 20) if asked.short else (60_000, 600.0, 20.0, 200)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = fcn(folder / "colours.onnx")
        model.with_suffix(".yaml").write_text(CARD)
        warm = write_clip(folder / "warm.mp4", "libx264", frames=50)
        run(str(warm), config(model, output=OutputConfig(save=str(folder / "warm-out.mp4"))), Watch())  # what stays
        damaged = asked.damage or write_clip(folder / "whole.mp4", "libx264", frames=100, size_hw=(186, 620))
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "live": lambda: {"skipped": why} if (why := missing()) else live(folder, model, seconds, every_s),
            "corrupt": lambda: {"clip": damaged.name, **corrupt_files(damaged, model, seeds)},
            "full_speed": lambda: full_speed(folder, model, frames),
        }
        for part in asked.only or parts:
            _keep(part, {"date": date.today().isoformat(), **parts[part]()}, asked.json, asked.note)
    return 0


def _keep(part: str, found: dict[str, Any], path: Path | None, note: str) -> None:
    """Print what a part found, and put it beside what the file holds of the others."""
    print(json.dumps({part: found}, indent=2), flush=True)
    if path is None:
        return
    whole = json.loads(path.read_text()) if path.exists() else {}
    whole |= {
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version()},
        "note": note,
        part: found,
    }
    path.write_text(json.dumps(whole, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
