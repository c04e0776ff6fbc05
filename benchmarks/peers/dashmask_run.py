"""Our side: `dashmask run --save` over a clip, in this process, with the network's own CPU time told apart.

Prints one JSON line.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
from side import Clock, arguments, say

import pipeline.run
import pipeline.running.loading
from engines.backends.base import Done
from engines.regional import Regional
from pipeline import __version__
from pipeline.config_file import load
from pipeline.types import Instances

CARRIES = "runs the network once in {} frames, and carries what it found to the others along optical flow"


class Metered:
    """A backend that adds up the CPU time of the threads that run the network."""

    def __init__(self, backend: Any) -> None:
        self._backend, self._lock, self.cpu_s = backend, threading.Lock(), 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def submit(self, batch: list[Any]) -> Any:
        found = self._timed(lambda: self._backend.submit(batch).result())
        return Done([replace(one, outputs=tuple(map(self._later, one.outputs))) for one in found])

    def _later(self, output: Any) -> Any:
        """What of the network runs where somebody looks is the network's time as well."""
        if not isinstance(output, Regional):
            return output
        return replace(output, run=lambda features: self._timed(lambda: output.run(features)))

    def _timed(self, work: Callable[[], Any]) -> Any:
        began = time.thread_time()
        done = work()
        with self._lock:
            self.cpu_s += time.thread_time() - began
        return done


class Counted:
    """A decoder that notes how many objects each frame had."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self.found: list[int] = []

    def decode(self, inferred: Any) -> Any:
        seen = self._decoder.decode(inferred)
        self.found.append(len(seen) if isinstance(seen, Instances) else 0)
        return seen


class Silent:
    """Watches a run without a word; the clock starts when the networks are loaded."""

    def __init__(self) -> None:
        self.clock = Clock()

    def started(self, source: object, nets: object) -> None:
        self.clock.__enter__()

    def frame(self, summary: object, info: object) -> None: ...

    def noted(self, notes: object) -> None: ...


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--backend", default="onnxruntime-cpu")
    parser.add_argument("--square", action="store_true")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()

    cv2.setNumThreads(1)
    meters: list[Metered] = []
    counters: list[Counted] = []
    networks = pipeline.running.loading.networks

    def watched(config: Any) -> Any:
        nets = networks(config)
        meters.extend(Metered(net.selection.backend) for net in nets)
        counters.extend(Counted(net.decoder) for net in nets)
        return tuple(
            replace(net, selection=replace(net.selection, backend=meter), decoder=counter)
            for net, meter, counter in zip(nets, meters, counters, strict=True)
        )

    pipeline.running.loading.networks = watched
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.mp4")
        config = load(
            sets=given.set,
            options={
                "model": (str(given.model),),
                "backend.name": given.backend,
                "backend.precision": given.precision,
                "decode.conf": given.conf,
                "decode.iou": given.iou,
                "input.square": given.square or None,
                "source.frames": given.frames,
                "output.save": str(out),
            },
        )
        watch = Silent()
        outcome = pipeline.run.run(str(given.clip), config, watch)
        watch.clock.__exit__()
        frames = outcome.report["frames"]["processed"]
        model_s = sum(meter.cpu_s for meter in meters)
        say(
            f"dashmask {__version__}, {given.backend} {given.precision}",
            watch.clock,
            found=counters[0].found,
            shapes=outcome.report["models"][0]["input_hw"],
            written=out,
            does_not=(CARRIES.format(config.track.carry + 1),) if config.track.carry else (),
            frames=frames,
            outside_model_cpu_ms=(watch.clock.cpu_s - model_s) / frames * 1e3,
        )


if __name__ == "__main__":
    main()
