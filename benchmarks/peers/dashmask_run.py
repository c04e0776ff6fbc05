"""Our side: `dashmask run --save` over a clip, in this process, with the network's own CPU time told apart.

Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

import pipeline.run
from pipeline.config_file import load
from pipeline.timing import Summary


class Metered:
    """A backend that adds up the CPU time of the thread that runs the network."""

    def __init__(self, backend: Any) -> None:
        self._backend, self._lock, self.cpu_s = backend, threading.Lock(), 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def submit(self, batch: list[Any]) -> Any:
        began = time.thread_time()
        ticket = self._backend.submit(batch)
        with self._lock:
            self.cpu_s += time.thread_time() - began
        return ticket


class Silent:
    """Watches a run without a word."""

    def started(self, source: object, nets: object) -> None:
        """Nothing to say."""
        self.cpu_s, self.began_s = time.process_time(), time.perf_counter()

    def frame(self, summary: Summary, info: object) -> None:
        """Nothing to say."""

    def noted(self, notes: object) -> None:
        """Nothing to say."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--backend", default="onnxruntime-cpu")
    parser.add_argument("--conf", type=float, default=0.25)
    parser.add_argument("--square", action="store_true")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()

    cv2.setNumThreads(1)
    meters: list[Metered] = []
    networks = pipeline.run.networks

    def metered(config: Any) -> Any:
        nets = networks(config)
        meters.extend(Metered(net.selection.backend) for net in nets)
        return tuple(
            replace(net, selection=replace(net.selection, backend=meter))
            for net, meter in zip(nets, meters, strict=True)
        )

    pipeline.run.networks = metered
    with tempfile.TemporaryDirectory() as folder:
        out, records = Path(folder, "out.mp4"), Path(folder, "out.jsonl")
        config = load(
            sets=given.set,
            options={
                "model": (str(given.model),),
                "backend.name": given.backend,
                "backend.precision": given.precision,
                "decode.conf": given.conf,
                "input.square": given.square or None,
                "output.save": str(out),
            },
        )
        watch = Silent()
        outcome = pipeline.run.run(str(given.clip), config, watch)
        took_s, cpu_s = time.perf_counter() - watch.began_s, time.process_time() - watch.cpu_s
        written = out.stat().st_size
        counting = replace_output(config, str(records))
        pipeline.run.networks = networks
        pipeline.run.run(str(given.clip), counting, Silent())
        found = [len(json.loads(line)["instances"]) for line in records.read_text().splitlines()]
    frames = outcome.report["frames"]["processed"]
    model_s = sum(meter.cpu_s for meter in meters)
    print(
        json.dumps(
            {
                "name": f"dashmask ({given.backend} {given.precision})",
                "frames": frames,
                "fps": frames / took_s,
                "cpu_ms": cpu_s / frames * 1e3,
                "outside_model_cpu_ms": (cpu_s - model_s) / frames * 1e3,
                "detections": sum(found) / len(found),
                "input_hw": outcome.report["models"][0]["input_hw"],
                "rss_mb": outcome.report["peak_rss_mb"],
                "written_mb": written / 1e6,
            }
        )
    )


def replace_output(config: Any, records: str) -> Any:
    """The same run with records instead of a video: to count what was found, outside the timed run."""
    import msgspec

    return msgspec.structs.replace(config, output=msgspec.structs.replace(config.output, save=None, json=records))


if __name__ == "__main__":
    main()
