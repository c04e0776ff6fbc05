"""What a frame costs on its way through threads and channels that do nothing.

    python benchmarks/flow_overhead.py [--against OTHER/flow.py] [--frames 10000] [--json OUT.json]

Ours and, with --against, another flow (a file with a class Flow(source, [(name, open), ...]) whose steps take one
item) send the same frames through the same null stages, taking turns in one process and in random order.

Nearly all of it is threads waking each other. That costs several times as much between two cores as on one,
and the system moves threads as it likes: compare medians, or pin the process (taskset -c 0).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the checkout, installed or not

from pipeline.flow import Flow, Pool, Stage

Opened = Callable[[], AbstractContextManager[Any]]


def opens(thing: Any) -> Opened:
    @contextmanager
    def opened() -> Iterator[Any]:
        yield thing() if callable(thing) else thing

    return opened


def null_step() -> Any:
    return lambda batch: batch


def ours(frames: int, stages: int, workers: int = 1, capacity: int = 2, batch: int = 1) -> int:
    """The second stage has the workers, as inference has."""
    line = [
        Stage(f"stage {number}", opens(null_step), workers if number == 1 else 1, batch, capacity)
        for number in range(stages)
    ]
    with Flow[Any](opens(range(frames)), line, capacity=capacity) as flow:
        return sum(1 for _ in flow)


def with_leases(frames: int, stages: int) -> int:
    pool: Pool[bytearray] = Pool(lambda: bytearray(64))
    leases = (pool.acquire() for _ in range(frames))
    line = [Stage(f"stage {number}", opens(null_step)) for number in range(stages)]
    with Flow[Any](opens(leases), line, leases=lambda lease: (lease,)) as flow:
        return sum(1 for _ in flow)


def other(module: ModuleType, frames: int, stages: int) -> int:
    line = [(f"stage {number}", opens(lambda: lambda item: item)) for number in range(stages)]
    with module.Flow(opens(range(frames)), line) as flow:
        return sum(1 for _ in flow)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("other_flow", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another flow.py to compare with")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--stages", type=int, default=4)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    wanted = parser.parse_args()

    size = wanted.frames, wanted.stages
    runs: dict[str, Callable[[], int]] = {"ours": lambda: ours(*size)}
    if wanted.against:
        module = load(wanted.against)
        runs["other"] = lambda: other(module, *size)
    runs |= {
        "ours, leases": lambda: with_leases(*size),
        "ours, 4 workers in one stage": lambda: ours(*size, workers=4),
        "ours, capacity and batch 8": lambda: ours(*size, capacity=8, batch=8),
    }
    load_before = os.getloadavg()[0]
    taken_us: dict[str, list[float]] = {name: [] for name in runs}
    order = random.Random(0)
    for _ in range(wanted.turns):
        for name in order.sample(list(runs), len(runs)):
            began_s = time.perf_counter()
            count = runs[name]()
            taken_us[name].append((time.perf_counter() - began_s) / wanted.frames * 1e6)
            if count != wanted.frames:
                raise SystemExit(f"{name}: {count} of {wanted.frames} frames came out")

    print(f"{wanted.frames} frames, {wanted.stages} null stages, us a frame; Python {platform.python_version()},")
    print(f"{os.cpu_count()} cores, load {load_before:.1f} before, {os.getloadavg()[0]:.1f} after\n")
    print(f"{'':30}{'least':>8}{'median':>8}")
    for name, times_us in taken_us.items():
        print(f"{name:30}{min(times_us):8.1f}{statistics.median(times_us):8.1f}")
    summary: dict[str, Any] = {
        "frames": wanted.frames,
        "stages": wanted.stages,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": [load_before, os.getloadavg()[0]],
        "us_per_frame": {
            name: {"least": round(min(times_us), 2), "median": round(statistics.median(times_us), 2)}
            for name, times_us in taken_us.items()
        },
    }
    if wanted.against:
        ratio = min(taken_us["ours"]) / min(taken_us["other"])
        middle = statistics.median(taken_us["ours"]) / statistics.median(taken_us["other"])
        summary["ours_over_other"] = {"least": round(ratio, 3), "median": round(middle, 3)}
        print(f"\nours / other: {ratio:.2f} (least), {middle:.2f} (median)")
    if wanted.json:
        wanted.json.write_text(json.dumps(summary, indent=2) + "\n")


if __name__ == "__main__":
    main()
