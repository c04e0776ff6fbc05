"""Whole runs against the peer: same clip, same ONNX, same threads, a video written by both, interleaved.

    python benchmarks/end_to_end.py MODEL.onnx --case motorway.mp4 0.15 --case city.mp4 0.05 --out results.json

A case is a clip (benchmarks/clips.py makes them) and the confidence that both sides use; a lower one gives more
detections. The peer needs Ultralytics and a model with free input sizes. For the square case Ultralytics needs a
model with fixed sizes: give it with --square-model. Each side is a process of its own; its input shape is read back
and must be equal. What is timed: from the loaded, warm model to the closed file. Each ratio is taken within a
round, so that a machine that slows down slows both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "peers"


def call(script: str, *args: str) -> dict[str, Any]:
    """Run one side and give what it measured."""
    done = subprocess.run([sys.executable, str(HERE / script), *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{script} {' '.join(args)} failed:\n{done.stderr[-3000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    measured["load"] = round(os.getloadavg()[0], 2)
    return measured


def compare(clip: str, model: str, conf: float, rounds: int, square: str | None) -> dict[str, Any]:
    """All sides in turn, `rounds` times, at one confidence threshold."""
    ours = ["--conf", str(conf), *(["--square"] if square else [])]
    shape = "640x640" if square else "384x640"
    results: dict[str, list[dict[str, Any]]] = {"dashmask": [], "ultralytics": [], "model_only": []}
    for number in range(rounds):
        results["model_only"].append(call("model_only.py", model, "--input", shape))
        results["dashmask"].append(call("dashmask_run.py", clip, model, *ours))
        results["ultralytics"].append(call("ultralytics_predict.py", clip, square or model, "--conf", str(conf)))
        shapes = {str(results[side][-1]["input_hw"]) for side in ("dashmask", "ultralytics", "model_only")}
        if len(shapes) != 1:
            raise SystemExit(f"the sides do not run at the same input shape: {shapes}")
        row = {side: round(results[side][-1]["fps"], 1) for side in results}
        print(f"  round {number + 1}: {row} fps at {shapes.pop()}", flush=True)
    own, peer, ceiling = ([r["fps"] for r in results[side]] for side in ("dashmask", "ultralytics", "model_only"))
    return {
        "clip": Path(clip).name,
        "conf": conf,
        "detections": {side: results[side][0]["detections"] for side in ("dashmask", "ultralytics")},
        "input_hw": results["dashmask"][0]["input_hw"],
        "against_ultralytics": spread([a / b for a, b in zip(own, peer, strict=True)]),
        "against_model_only": spread([a / b for a, b in zip(own, ceiling, strict=True)]),
        "outside_model_cpu_ms": spread([r["outside_model_cpu_ms"] for r in results["dashmask"]]),
        "rss_mb": {side: max(r["rss_mb"] for r in results[side]) for side in ("dashmask", "ultralytics")},
        "runs": results,
    }


def spread(values: list[float]) -> dict[str, float]:
    """Least, median and most."""
    ordered = (min(values), statistics.median(values), max(values))
    return dict(zip(("min", "median", "max"), (round(v, 3) for v in ordered), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--square-model", help="the same network exported with fixed 640x640 input, for the peer")
    parser.add_argument("--case", nargs=2, action="append", required=True, metavar=("CLIP", "CONF"))
    parser.add_argument("--square-only", action="store_true", help="leave out the shape of the footage")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    cases = []
    shapes = [] if given.square_only else [None]
    for square in [*shapes, given.square_model] if given.square_model else shapes:
        for clip, conf in given.case:
            print(f"{clip}, conf {conf}, {'640x640' if square else 'the shape of the footage'}", flush=True)
            cases.append(compare(clip, given.model, float(conf), given.rounds, square))
    for case in cases:
        print(
            f"{case['input_hw']} {case['detections']['dashmask']:.1f} detections: "
            f"{case['against_ultralytics']} x ultralytics, {case['against_model_only']} x model only, "
            f"{case['outside_model_cpu_ms']} ms CPU outside the model, {case['rss_mb']} MB"
        )
    if given.out:
        import av
        import onnxruntime
        import ultralytics

        machine = {"cores": os.cpu_count(), "cpu": cpu_name(), "python": platform.python_version()}
        versions = {m.__name__: m.__version__ for m in (av, onnxruntime, ultralytics)}
        about = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": machine,
            "versions": versions,
        }
        given.out.write_text(json.dumps({**about, "cases": cases}, indent=1) + "\n")


def cpu_name() -> str:
    """The processor as Linux names it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
