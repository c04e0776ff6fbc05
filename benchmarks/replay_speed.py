"""What a replay costs beside the plain pipeline, and what a second worker brings: paired rounds, in turn.

    python benchmarks/replay_speed.py CLIP.mp4 MODEL.onnx --out benchmarks/results/replay-speed.json

Overhead: `dashmask run --json` and `dashmask replay` with one worker over the same long clip, both with all cores and
from the loaded networks to the last frame (for the replay: to the renamed, hashed file). Two workers against one: the
same clip under several names, one worker that may use one core, two workers that have two; from the first task to the
last result. Each ratio is taken within a round, so that a machine that slows down slows both sides. With --copies 0
the overhead alone is measured, for more rounds of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the checkout, installed or not

from pipeline.bench.interval import ratio_interval

COMMAND = (sys.executable, "-c", "from pipeline.cli import main; main()")


def call(*words: object, cores: Sequence[int]) -> None:
    """Run `dashmask WORDS...` on some cores."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        raise SystemExit(f"dashmask {' '.join(map(str, words))} failed:\n{done.stderr[-3000:]}")


def plain_fps(clip: Path, model: str, folder: Path, cores: Sequence[int], more: Sequence[str]) -> float:
    """Frames a second of `dashmask run` into records."""
    summary = folder / "summary.json"
    call(
        "run",
        clip,
        "-m",
        model,
        "--json",
        folder / "o.jsonl",
        "--no-timing",
        "--summary",
        summary,
        *more,
        cores=cores,
    )
    return float(json.loads(summary.read_text())["fps"])


def replay_fps(
    inputs: Path, model: str, folder: Path, workers: int, cores: Sequence[int], more: Sequence[str]
) -> dict[str, float]:
    """Frames a second of `dashmask replay`: of all workers while they work, and with their start."""
    out = folder / "set"
    shutil.rmtree(out, ignore_errors=True)
    call("replay", inputs, "-m", model, "--out", out, "--workers", workers, "--segment", 0, *more, cores=cores)
    run = json.loads((out / "report.json").read_text())["this_run"]
    return {"working": sum(one["fps"] for one in run["workers"].values()), "with_start": run["fps"]}


def spread(values: list[float]) -> dict[str, float]:
    """Least, median and most."""
    ordered = (min(values), statistics.median(values), max(values))
    return dict(zip(("min", "median", "max"), (round(v, 4) for v in ordered), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, default=8, help="of the clip, for two workers against one; 0: not that")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--backend", default="onnxruntime-cpu")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    more = ("--backend", given.backend, "--imgsz", str(given.imgsz))
    cores = sorted(os.sched_getaffinity(0))[:2]
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "many").mkdir()
        for index in range(given.copies):
            (folder / "many" / f"{index}{given.clip.suffix}").symlink_to(given.clip.resolve())
        for number in range(given.rounds):
            load = round(os.getloadavg()[0], 2)
            sides = {
                "plain": lambda: plain_fps(given.clip, given.model, folder, cores, more),
                "replay": lambda: replay_fps(given.clip, given.model, folder, 1, cores, more)["working"],
                "one": lambda: replay_fps(folder / "many", given.model, folder, 1, cores[:1], more),
                "two": lambda: replay_fps(folder / "many", given.model, folder, 2, cores, more),
            }
            if not given.copies:
                del sides["one"], sides["two"]
            order = list(sides) if number % 2 == 0 else list(reversed(sides))
            row: dict[str, Any] = {side: sides[side]() for side in order}
            rounds.append({"load": load, **row})
            print(f"  round {number + 1}: {rounds[-1]}", flush=True)
    plain, replay = ([row[side] for row in rounds] for side in ("plain", "replay"))
    interval = ratio_interval(plain, replay, paired=True)
    result = {
        "overhead": spread([one / other - 1 for one, other in zip(plain, replay, strict=True)]),
        "plain_against_replay": interval.as_dict() if interval else None,  # of the mean rates
    }
    for name, figure in (("two_against_one", "working"), ("two_against_one_with_start", "with_start")):
        if given.copies:
            result[name] = spread([row["two"][figure] / row["one"][figure] for row in rounds])
    print(json.dumps(result, indent=1))
    if given.out:
        about = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": {"cores": len(os.sched_getaffinity(0)), "system": platform.platform()},
            "clip": given.clip.name,
            "model": Path(given.model).name,
            "imgsz": given.imgsz,
            "backend": given.backend,
        }
        given.out.write_text(json.dumps({**about, **result, "rounds": rounds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
