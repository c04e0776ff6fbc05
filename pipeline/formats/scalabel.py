"""Scalabel's JSON, `{out}/frames.json`: frames with boxes and run lengths.

`{"frames": [{"name", "videoName", "frameIndex", "size", "labels": [{"id", "category", "score", "box2d", "rle"}]}]}`
(doc.scalabel.ai/format.html). Boxes hold their last pixel: x2 = x1 + width - 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import msgspec

from pipeline.formats.base import Prediction, folder, write_bytes
from pipeline.rle import encode_instances
from pipeline.types import Classes


class ScalabelWriter:
    """Objects as the scalabel package reads them."""

    labels: ClassVar[Classes | None] = None
    things: ClassVar[Classes | None] = Classes((), ())

    def __init__(self, out: Path) -> None:
        self._file = folder(out) / "frames.json"
        self._frames: list[bytes] = []
        self._names: dict[str, None] = {}

    def add(self, prediction: Prediction) -> None:
        """Keep one image's objects for the end."""
        height, width = prediction.size_hw
        frame: dict[str, Any] = {
            "name": Path(prediction.name).name,
            "videoName": Path(prediction.name).parent.name,
            "frameIndex": prediction.index,
            "size": {"width": width, "height": height},
            "labels": [],
        }
        if (found := prediction.instances) is not None:
            self._names |= dict.fromkeys(found.classes.names)
            for i, counts in enumerate(encode_instances(found, prediction.size_hw)):
                x0, y0, x1, y1 = (round(float(edge), 2) for edge in found.boxes_xyxy[i])
                label = {
                    "id": str(i),
                    "category": found.classes.names[found.class_ids[i]],
                    "score": round(float(found.scores[i]), 6),
                    "box2d": {"x1": x0, "y1": y0, "x2": round(x1 - 1, 2), "y2": round(y1 - 1, 2)},
                    "rle": {"counts": counts, "size": [height, width]},
                }
                frame["labels"].append(label)
        self._frames.append(msgspec.json.encode(frame))

    def close(self) -> list[Path]:
        """Write the file."""
        config = msgspec.json.encode({"categories": [{"name": name} for name in self._names]})
        write_bytes(self._file, b'{"frames":[' + b",\n".join(self._frames) + b'],"config":' + config + b"}")
        return [self._file]
