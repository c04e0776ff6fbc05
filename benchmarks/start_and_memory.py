"""How soon the first frame is there, and how much memory a long run takes.

    python benchmarks/start_and_memory.py CLIP MODEL.onnx --out benchmarks/results/start-and-memory.json

First frame: fresh processes of `dashmask run CLIP --frames 1`, on a warm disk, from the entry of the command (all
imports but Python's own start included) to the first finished frame. Memory: one run over CLIP, repeated until it
has --frames frames, resident memory read every 500 frames; the slope is a line fitted behind the first tenth.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()"]


def first_frames(clip: Path, model: Path, backend: str, runs: int) -> dict[str, float]:
    """Seconds to the first frame, over several fresh processes."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        summary = Path(folder, "s.json")
        words = ["run", clip, "--model", model, "--backend", backend, "--frames", 1, "--summary", summary]
        outputs = ["--save", Path(folder, "o.mp4")]
        for _ in range(runs + 1):
            subprocess.run([*COMMAND, *map(str, words + outputs)], check=True, capture_output=True, env=installed())
            seconds.append(json.loads(summary.read_text())["first_frame_s"])
    counted = seconds[1:]  # the first one warms the disk and compiles
    return {"min": min(counted), "median": round(statistics.median(counted), 3), "max": max(counted)}


def installed() -> dict[str, str]:
    """This environment, but bytecode is kept, as pip does when it installs: else every start compiles the sources."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def long_clip(clip: Path, frames: int, out: Path) -> Path:
    """CLIP again and again, without encoding it anew, until it has so many frames."""
    with av.open(str(clip)) as source, av.open(str(out), "w") as target:
        video = source.streams.video[0]
        stream = target.add_stream_from_template(video)
        packets = [packet for packet in source.demux(video) if packet.dts is not None]
        length = packets[-1].dts - packets[0].dts + (packets[1].dts - packets[0].dts)
        for number in range(frames):
            turn, index = divmod(number, len(packets))
            old = packets[index]
            packet = av.Packet(bytes(old))
            packet.stream, packet.time_base, packet.is_keyframe = stream, old.time_base, old.is_keyframe
            packet.pts, packet.dts = old.pts + turn * length, old.dts + turn * length
            target.mux(packet)
    return out


def memory(clip: Path, model: Path, backend: str, frames: int, long_side: int | None) -> dict[str, Any]:
    """Resident memory along a long run."""
    import cv2

    import pipeline.run
    from pipeline.config_file import load

    cv2.setNumThreads(1)
    samples: list[tuple[int, float]] = []

    class Reader:
        def started(self, source: object, nets: object) -> None:
            self.began_s = time.monotonic()

        def frame(self, summary: Any, info: object) -> None:
            if summary.processed % 500 == 0:
                samples.append((summary.processed, resident_mb()))

        def noted(self, notes: object) -> None:
            pass

    with tempfile.TemporaryDirectory() as folder:
        source = long_clip(clip, frames, Path(folder, "long.mp4"))
        options = {"model": (str(model),), "backend.name": backend, "input.long_side": long_side}
        files = {"output.save": str(Path(folder, "o.mp4")), "output.json": str(Path(folder, "o.jsonl"))}
        outcome = pipeline.run.run(str(source), load(options={**options, **files}), Reader())
    at, mb = np.array(samples).T
    steady = at > frames / 10
    slope = np.polyfit(at[steady], mb[steady], 1)[0] * 1000
    return {
        "frames": outcome.report["frames"]["processed"],
        "fps": outcome.report["fps"],
        "rss_mb": {"first": mb[0], "last": mb[-1], "max": mb.max()},
        "peak_rss_mb": outcome.report["peak_rss_mb"],
        "slope_mb_per_1000_frames": round(float(slope), 3),
        "input_hw": outcome.report["models"][0]["input_hw"],
    }


def resident_mb() -> float:
    """Resident memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--backend", default="onnxruntime-cpu")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--imgsz", type=int, help="long side of the network's input, to make the long run shorter")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.frames < 2000:
        parser.error(f"--frames {given.frames}: memory is read every 500 frames, a slope needs 2000 or more")
    measured: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "backend": given.backend,
        "load_before": round(os.getloadavg()[0], 2),
        "first_frame_s": first_frames(given.clip, given.model, given.backend, given.runs),
    }
    print(json.dumps(measured), flush=True)
    measured["memory"] = memory(given.clip, given.model, given.backend, given.frames, given.imgsz)
    print(json.dumps(measured["memory"]))
    if given.out:
        given.out.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
