"""Every peer against dashmask: same clip, same ONNX bytes, same threads, a video written by all, interleaved.

    python benchmarks/run.py --model yolo11n-seg.onnx --clip motorway.mp4 --busy-clip city.mp4

Any driving footage will do: it is cropped and scaled to 1280x720, and the confidence is chosen so that a frame has 0,
about 7 and (in the busy clip) about 26 objects. The model is YOLO-seg with free sizes (`yolo export` with dynamic).
ENet at 640x360 stands for semantic networks: all run the export with logits, and dashmask the one with labels as
well, which is what its row in the table shows. Each side is a process of its own; the input shape that reached
the network is read back and must be the same. Timed is from the loaded, warm model to the closed file. Sides take
turns, each round begins with the next one, and ratios are taken within a round, so that a machine that slows down
slows all.

A dated JSON goes into benchmarks/results/; `benchmarks/table.py` prints it. --quick has two rounds of few frames. A
side that fails is left out with its reason; where that is dashmask, or the network alone, its case is, and the exit
code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from clips import make_clip
from peers.cases import CEILING, DASHMASK, Case, Side, command, confidence, enet_files, last_word, sides
from table import summary, tables

from engines.embedded import FOLDER
from engines.machine import cpu_name
from pipeline.placement import network_size
from pipeline.types import InputSpec

PACKAGES = ("av", "numpy", "onnxruntime", "opencv-python", "openvino", "supervision", "torch", "ultralytics")
SIZE_WH = (1280, 720)
ENET_HW = (360, 640)
OURS = "dashmask"  # the side that all others are compared with
QUIET = 0.1  # share of the processor that others may use


def cases(given: argparse.Namespace, folder: Path) -> list[Case]:
    """What is compared, and the files for it."""
    frames = 40 if given.quick else 200
    clip = make_clip(given.clip, folder / f"{given.clip.stem}-720.mp4", SIZE_WH, frames)
    busy = given.busy_clip or given.clip
    busy = make_clip(busy, folder / f"{busy.stem}-busy-720.mp4", SIZE_WH, frames // 2)
    made = []
    if given.model is not None:
        size = network_size(SIZE_WH[::-1], InputSpec("images"))
        for film, wanted in ((clip, 0), (clip, 7), (busy, 26)):
            conf = confidence(film, given.model, wanted)
            made.append(Case(f"{given.model.stem}, about {wanted} objects", film, given.model, size, conf))
    if not given.no_enet:
        logits, labels = enet_files(folder, ENET_HW, given.enet)
        made.append(Case("enet", clip, logits, ENET_HW, semantic=True, labels_model=labels))
    return made


def call(side: Side, case: Case, frames: int | None) -> dict[str, Any]:
    """Run one side once; what it measured, or `failed`."""
    done = subprocess.run(command(side, case, frames), capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": last_word(done)}
    measured: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    measured["load"] = round(os.getloadavg()[0], 2)
    return measured


def compare(case: Case, rounds: int, frames: int | None) -> dict[str, Any]:
    """All sides of a case, in turn; `failed` where what they are compared with fails."""
    wanted = dict(sides(case))
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted}
    ceiling, out = [], {}
    about = {"what": case.what, "clip": case.clip.name, "conf": case.conf, "input_hw": case.input_hw}
    for number in range(rounds):
        ceiling.append(call(CEILING, case, None))
        if "failed" in ceiling[-1]:
            return {**about, "failed": f"the network alone: {ceiling[-1]['failed']}"}
        names = list(wanted)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            measured = call(wanted[name], case, frames)
            if "failed" in measured and name == OURS:
                return {**about, "failed": f"{name}: {measured['failed']}"}
            if "failed" in measured:
                out[name] = measured["failed"]
                del wanted[name], runs[name]
                print(f"  {name} is left out: {out[name]}", flush=True)
                continue
            if [list(shape) for shape in measured["input_hw"]] != [list(case.input_hw)]:
                raise SystemExit(f"{name} ran at {measured['input_hw']}, expected {case.input_hw}")
            runs[name].append(measured)
        fps = {name: round(found[-1]["fps"], 1) for name, found in runs.items()}
        print(f"  round {number + 1}: {fps}", flush=True)
    return {
        **about,
        "model_only_fps": spread([run["fps"] for run in ceiling]),
        "sides": {name: summed(found, runs[OURS], ceiling) for name, found in runs.items()},
        "left_out": out,
        "runs": runs,
    }


def summed(found: list[dict[str, Any]], ours: list[dict[str, Any]], ceiling: list[dict[str, Any]]) -> dict[str, Any]:
    """One side over all rounds; ratios within each."""
    own, cpu = [run["fps"] for run in found], [run["cpu_ms"] for run in found]
    outside = [run["outside_model_cpu_ms"] for run in found if "outside_model_cpu_ms" in run]
    return {
        "name": found[0]["name"],
        "fps": spread(own),
        "cpu_ms": spread(cpu),
        "dashmask_is_faster_by": spread([run["fps"] / fps for run, fps in zip(ours, own, strict=True)]),
        "dashmask_takes_less_cpu_by": spread([ms / run["cpu_ms"] for run, ms in zip(ours, cpu, strict=True)]),
        "against_model_only": spread([fps / run["fps"] for run, fps in zip(ceiling, own, strict=True)]),
        **({"outside_model_cpu_ms": spread(outside)} if outside else {}),
        "detections": found[0]["detections"],
        "rss_mb": max(run["rss_mb"] for run in found),
        "written_mb": found[0]["written_mb"],
        "does_not": found[0]["does_not"],
    }


def spread(values: list[float]) -> dict[str, float]:
    """Least, median and most."""
    ordered = (min(values), statistics.median(values), max(values))
    return dict(zip(("min", "median", "max"), (round(v, 3) for v in ordered), strict=True))


def verified(case: Case) -> None:
    """Let bf16 be verified before: what does not hold is left out of the comparison with its reason."""
    model = case.labels_model or case.model
    words = ["verify", str(model), "--backend", "openvino", "--precision", "bf16"]
    subprocess.run([*DASHMASK, *words], capture_output=True, check=False)


def busy(seconds: float = 2.0) -> float:
    """Share of the processor that is used now, while this process sleeps."""

    def ticks() -> tuple[int, int]:
        numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]

    before = ticks()
    time.sleep(seconds)
    total, idle = (now - then for now, then in zip(ticks(), before, strict=True))
    return round(1 - idle / max(1, total), 3)


def versions() -> dict[str, str]:
    """Of the packages that matter, those that are here."""
    known = {}
    for package in PACKAGES:
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            continue
    return known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="YOLO-seg, ONNX with free sizes; none: ENet alone")
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--busy-clip", type=Path, help="footage with many objects; default: the same")
    parser.add_argument("--enet", type=Path, default=FOLDER / "enet-camvid.safetensors", help="a trained checkpoint")
    parser.add_argument("--no-enet", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, help="of each side in a round; default: all of the clip")
    parser.add_argument("--quick", action="store_true", help="two rounds of 20 frames: does it work")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/peers-DATE.json, none with --quick")
    given = parser.parse_args()
    given.rounds, given.frames = (2, 20) if given.quick else (given.rounds, given.frames)
    others = busy()
    machine = {"cores": os.cpu_count(), "cpu": cpu_name(), "python": platform.python_version()}
    about = {"kind": "peers", "date": time.strftime("%Y-%m-%d"), "machine": machine, "versions": versions()}
    about |= {"rounds": given.rounds, "frames": given.frames, "busy_before": others, "quiet": others < QUIET}
    out = given.out
    if out is None and not given.quick:
        out = Path(__file__).parent / "results" / f"peers-{about['date']}.json"
    found: dict[str, Any] = {**about, "cases": []}
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(given, Path(folder)):
            print(f"{case.what}, {case.clip.name}, conf {case.conf}", flush=True)
            verified(case)
            found["cases"].append(compare(case, given.rounds, given.frames))
            if out is not None:  # after each, so that what comes costs nothing that was measured
                out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{summary(found)}\n\n{tables(found)}")
    if any("failed" in case for case in found["cases"]):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
