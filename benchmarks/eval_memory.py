"""Resident memory of `dashmask eval` over thousands of BDD100K-like images of 1280x720: it must not grow.

A few drawn frames are written in BDD100K's layout, and stand there under as many names as are asked for, so that each
is read, decoded, segmented and scored as any other. Label maps go through an embedded network; objects through the
one that is named, such as yolo11n-seg.onnx. Inputs are small: what is measured is memory, not speed.

python benchmarks/eval_memory.py --images 10000 --out benchmarks/results/eval-memory.json
python benchmarks/eval_memory.py --images 10000 --objects yolo11n-seg.onnx --out benchmarks/results/eval-memory.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from engines.machine import cpu_name

FILES = ("-image.jpg", "-labels.png", "-objects.png")
DRAWN, EVERY, LONG_SIDE = 16, 500, 160
THINGS = {11: 1, 12: 2, 13: 3, 14: 4, 15: 5, 16: 6, 17: 7, 18: 8}  # trainId -> category of a bitmask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--objects", metavar="MODEL", help="objects instead: a network of COCO's classes")
    parser.add_argument("--out", type=Path, help="JSON; what it holds of the other part stays")
    wanted = parser.parse_args()
    labels, objects = ("roadnet-drawn", "bdd100k", ()), (wanted.objects, "bdd100k-instances", ("coco-on-bdd100k",))
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), wanted.images)
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # memory of its own
            part = pool.apply(measure, (folder, *(objects if wanted.objects else labels)))
    part = {"date": date.today().isoformat(), "cpu": cpu_name(), "image": "1280x720", **part}
    print(json.dumps(part))
    if wanted.out:
        found: dict[str, Any] = json.loads(wanted.out.read_text()) if wanted.out.is_file() else {}
        found["objects" if wanted.objects else "label maps"] = part
        wanted.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def draw(root: Path, images: int) -> None:
    """Frames of a drive as BDD100K's semantic and instance segmentation, under `images` names."""
    from pipeline.sources.demo import Demo

    folders = [root / "images/10k/val", root / "labels/sem_seg/masks/val", root / "labels/ins_seg/bitmasks/val"]
    for folder in (root / "drawn", *folders):
        folder.mkdir(parents=True)
    with Demo(seed=5, frames=DRAWN, fps=1) as frames:
        for index, frame in enumerate(frames):
            truth = frame.truth
            assert truth is not None
            assert truth.labels is not None
            assert truth.instances is not None
            bitmask = np.zeros((*frame.image.size_hw, 4), np.uint8)  # B, G, R, A: R category, A number
            for number in range(len(truth.instances)):
                category = THINGS.get(int(truth.instances.class_ids[number]), 0)
                bitmask[truth.instances.full_mask(number, frame.image.size_hw)] = (0, 0, category, number + 1)
            for kind, picture in zip(FILES, (frame.image.bgr(), truth.labels.map, bitmask), strict=True):
                cv2.imwrite(str(root / f"drawn/{index}{kind}"), picture)
    for image in range(images):
        for kind, folder in zip(FILES, folders, strict=True):
            (folder / f"{image:05}{kind[-4:]}").symlink_to(root / f"drawn/{image % DRAWN}{kind}")


def measure(root: str, model: str, dataset: str, mappings: Sequence[str]) -> dict[str, Any]:
    """Evaluate, and look at the memory of this process every so many images."""
    from accuracy import Silent

    from pipeline.config_file import load
    from pipeline.evaluation.evaluate import DEFAULTS, evaluate, evaluation_report
    from pipeline.evaluation.labelled import Wanted, open_labelled
    from pipeline.evaluation.scoring import Scores
    from pipeline.types import Picture

    cv2.setNumThreads(1)
    process = psutil.Process()
    resident: dict[int, float] = {}
    peak = [0.0]

    def look(picture: Picture, quality: float, scores: Scores) -> None:
        now = process.memory_info().rss / 1e6
        peak[0] = max(peak[0], now)
        count = picture.scene.frame.index + 1
        if count % EVERY == 0:
            resident[count] = round(now, 1)
            print(f"{count} images: {now:.1f} MB", flush=True)

    own = {"model": (model,), "backend.name": "onnxruntime-cpu", "input.long_side": LONG_SIDE}
    config = load(None, (), own, DEFAULTS)
    data = open_labelled(Wanted(dataset, root, "val"), config)
    what = evaluation_report(evaluate(data, config, Silent(), mappings, seen=look))
    return {
        "model": Path(model).stem,
        "images": what["images"],
        "objects_found": what.get("objects", {}).get("found"),
        "peak_mb": round(peak[0], 1),
        "resident_mb": resident,
    }


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
