"""The peer: `ultralytics predict(save=True)` over a clip, timed after its model is loaded and warm.

Prints one JSON line. Runs in a process of its own, so that neither side pays for the other's imports or threads.
What it does not do: keep timestamps, write records, masks at source resolution (its default masks are coarse).
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--conf", type=float, default=0.25)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()

    import numpy as np
    import torch
    import ultralytics
    from ultralytics import YOLO

    torch.set_num_threads(given.threads)
    shapes: set[tuple[int, ...]] = set()
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "imgsz": given.imgsz, "conf": given.conf, "verbose": False, "project": folder, "exist_ok": True
        }  # fmt: skip
        model = YOLO(str(given.model), task="segment")
        model.predict(np.zeros((720, 1280, 3), np.uint8), **options)
        model.predictor.run_callbacks = lambda event: None
        preprocess = model.predictor.preprocess

        def watched(pictures: object) -> object:
            tensor = preprocess(pictures)
            shapes.add(tuple(tensor.shape[2:]))
            return tensor

        model.predictor.preprocess = watched
        began, cpu = time.perf_counter(), time.process_time()
        counts = [len(r) for r in model.predict(str(given.clip), save=True, stream=True, **options)]
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        written = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.suffix in (".avi", ".mp4"))
    assert written, "the peer wrote no video"
    print(
        json.dumps(
            {
                "name": f"ultralytics {ultralytics.__version__}",
                "frames": len(counts),
                "fps": len(counts) / took,
                "cpu_ms": cpu / len(counts) * 1e3,
                "detections": sum(counts) / len(counts),
                "input_hw": sorted(shapes),
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "written_mb": written / 1e6,
            }
        )
    )


if __name__ == "__main__":
    main()
