"""What every side of the comparison shares: its arguments, the clock around its run, the one JSON line it prints.

A side is timed from the loaded, warm model to the closed file, in a process of its own. It tells the input shape that
really reached the network, and what it does not do that others do.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NO_TIMES = "keeps no timestamps: frames are written at a constant rate"
NO_THREADS = "reads, runs, draws and writes one after the other in one thread"
MPEG4 = "writes MPEG-4 part 2 (OpenCV's mp4v), which browsers do not play"


def arguments(what: str) -> argparse.ArgumentParser:
    """The arguments that every side takes."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("clip", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--conf", type=float, default=0.25, help="least score of an object")
    parser.add_argument("--iou", type=float, default=0.7, help="overlap above which NMS merges")
    parser.add_argument("--input", default="384x640", help="height x width of the network's input")
    parser.add_argument("--threads", type=int, default=2, help="of the network's runtime and of OpenCV")
    parser.add_argument("--frames", type=int, help="stop after so many")
    return parser


def input_hw(given: argparse.Namespace) -> tuple[int, int]:
    """Height and width of the network's input, pixels."""
    height, _, width = given.input.partition("x")
    return int(height), int(width)


class Clock:
    """Wall and CPU time of this process between `with` and its end."""

    def __enter__(self) -> Clock:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.took_s, self.cpu_s = time.perf_counter() - self._wall, time.process_time() - self._cpu


def peak_mb() -> float:
    """Most memory that was resident, MB; from /proc, as getrusage starts with what the parent had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024, 1)


def say(
    name: str,
    clock: Clock,
    *,
    found: Sequence[int],
    shapes: Any,
    written: Path,
    does_not: Sequence[str],
    frames: int | None = None,
    **more: Any,
) -> None:
    """Print what was measured.

    Args:
        name: of the side, with the versions that matter.
        clock: that ran around all frames and the closing of the file.
        found: objects of each frame that the network looked at.
        shapes: the heights and widths that reached the network.
        written: the video.
        does_not: what other sides do and this one does not.
        frames: that came out; None: as many as the network looked at.
        more: anything else worth keeping.
    """
    size = written.stat().st_size
    if not size:
        raise SystemExit(f"{name} wrote no video")
    frames = frames or len(found)
    print(
        json.dumps(
            {
                "name": name,
                "frames": frames,
                "fps": frames / clock.took_s,
                "cpu_ms": clock.cpu_s / frames * 1e3,
                "detections": sum(found) / len(found),
                "input_hw": sorted(shapes),
                "rss_mb": peak_mb(),
                "written_mb": size / 1e6,
                "does_not": list(does_not),
                **more,
            }
        )
    )
