"""What a million frames cost: core time of each part of a replay, and bytes, on a clip of yours.

    python benchmarks/replay_plan.py CLIP.mp4 MODEL.onnx

Core time is what the process used (CPU seconds of all its threads), not what passed, so that other work on the
machine disturbs it little. From it: workers that a storage server feeds, and where the bottleneck goes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from pipeline.config import BackendConfig, Config, InputConfig
from pipeline.replay.naming import Clip
from pipeline.replay.tasks import Done, Layout, Task
from pipeline.replay.worker import Worker, quiet_threads
from pipeline.sources import open_source

GIGABIT = 125e6  # bytes a second


def core_ms(work: object, frames: int) -> float:
    """Core milliseconds a frame of something called once."""
    began_s = time.process_time()
    work()  # type: ignore[operator]
    return (time.process_time() - began_s) * 1e3 / frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("model")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--backend", default="onnxruntime-cpu")
    given = parser.parse_args()
    quiet_threads()
    with open_source(str(given.clip)) as source:
        frames = sum(1 for _ in source)

    def decode() -> None:
        with open_source(str(given.clip)) as source:
            for _ in source:
                pass

    costs = {}
    with tempfile.TemporaryDirectory() as name:
        for label, backend in (("all", given.backend), ("without the network", "null")):
            config = Config(
                model=(given.model,),
                input=InputConfig(long_side=given.imgsz),
                backend=BackendConfig(name=backend, workers=1, threads=1),
            )
            layout = Layout(f"{name}/{backend}", "run")
            worker = Worker(config, layout, 0)
            task = Task(1, Clip("clip", str(given.clip.resolve())), "clip")
            assert isinstance(worker.do(task), Done)  # warm
            costs[label] = core_ms(lambda worker=worker, task=task: worker.do(task), frames)
            worker.close()
        rows = Path(Layout(f"{name}/{given.backend}", "run").records("clip")).stat().st_size / frames
    read = given.clip.stat().st_size / frames
    fps = 1e3 / costs["all"]
    print(
        json.dumps(
            {
                "frames": frames,
                "core_ms_a_frame": {"decode": round(core_ms(decode, frames), 2)}
                | {label: round(cost, 2) for label, cost in costs.items()},
                "core_hours_a_million_frames": round(costs["all"] / 3.6, 2),
                "bytes_a_frame": {"read": round(read), "written": round(rows)},
                "cores_fed_by_a_gigabit": round(GIGABIT / (read * fps)),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
