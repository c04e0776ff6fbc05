"""Objects that conditions are true of, and a black box with pictures of them."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from clips import scene as drawn

from pipeline.config import EvidenceConfig
from pipeline.evidence.conditions import parse
from pipeline.evidence.sink import EvidenceSink
from pipeline.image import Image
from pipeline.types import Classes, Frame, Instances, Picture, Scene

HW = (96, 128)
CLASSES = Classes(("person", "car"), ((220, 20, 60), (0, 0, 142)))


def found(*boxes: tuple[int, int, int, int], score: float = 0.9, class_id: int = 0) -> Instances:
    crops = np.array(boxes, np.int32).reshape(-1, 4)
    areas = [(y1 - y0) * (x1 - x0) for x0, y0, x1, y1 in crops.tolist()]
    return Instances(
        crops.astype(np.float32),
        np.full(len(boxes), score, np.float32),
        np.full(len(boxes), class_id, np.int32),
        crops,
        np.full(sum(areas), 255, np.uint8),
        np.cumsum([0, *areas]),
        CLASSES,
    )


def picture(index: int, instances: Instances | None = None, age_s: float = 0.0, fps: int = 10) -> Picture:
    image = Image((drawn(index, HW),), "bgr24")
    frame = Frame(index, index, Fraction(1, fps), time.monotonic() - age_s, image)
    return Picture(Scene(frame, instances if instances is not None else found()), image)


def sink(folder: Path, *on: str, **config: Any) -> EvidenceSink:
    defaults = {"before_s": 2.0, "after_s": 1.0, "cooldown_s": 1.0}
    return EvidenceSink(folder, EvidenceConfig(**{**defaults, **config}), tuple(map(parse, on)))


def folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/why.json"))


def why(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "why.json").read_text()))


def times_s(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [round(float(frame.pts * frame.time_base), 6) for frame in container.decode(video=0)]


def indices(folder: Path) -> list[int]:
    return [json.loads(line)["index"] for line in (folder / "records.jsonl").read_text().splitlines()]
