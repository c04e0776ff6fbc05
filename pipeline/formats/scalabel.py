"""Scalabel's JSON, `{out}/frames.json`: frames with boxes and run lengths.

`{"frames": [{"name", "videoName", "frameIndex", "size", "labels": [{"id", "category", "score", "box2d", "rle"}]}]}`
(doc.scalabel.ai/format.html). Boxes hold their last pixel: x2 = x1 + width - 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np

from pipeline.classes import colours_for
from pipeline.datasets.scalabel_file import ScalabelFrame, ScalabelLabel, ScalabelLabels, frame_labels, read_files
from pipeline.errors import DataError
from pipeline.formats.base import Prediction, digits, exclusive, write_bytes
from pipeline.formats.reading import NOTHING, Asked, Benchmark, Reading, found, wrong_size
from pipeline.rle import encode_instances
from pipeline.types import Classes, Instances

_OVERLAP = "some masks overlap and count here; Scalabel's own mask AP takes such an image for one without any object"


class ScalabelWriter:
    """Objects as the scalabel package reads them."""

    labels: ClassVar[Classes | None] = None
    things: ClassVar[Classes | None] = Classes((), ())
    scored: ClassVar[bool] = True
    numbered: ClassVar[bool] = False

    def __init__(self, out: Path) -> None:
        self._file = out / "frames.json"
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
                x0, y0, x1, y1 = found.boxes_xyxy[i].tolist()
                label = {
                    "id": str(i),
                    "category": found.classes.names[found.class_ids[i]],
                    "score": digits(found.scores[i]),
                    "box2d": {"x1": digits(x0), "y1": digits(y0), "x2": digits(x1 - 1), "y2": digits(y1 - 1)},
                    "rle": {"counts": counts, "size": [height, width]},
                }
                frame["labels"].append(label)
        self._frames.append(msgspec.json.encode(frame))

    def close(self) -> list[Path]:
        """Write the file."""
        config = msgspec.json.encode({"categories": [{"name": name} for name in self._names]})
        write_bytes(self._file, b'{"frames":[' + b",\n".join(self._frames) + b'],"config":' + config + b"}")
        return [self._file]


class ScalabelReader(Reading):
    """Frames by anybody: boxes, run lengths or polygons, with scores.

    Args:
        path: a JSON, or a folder of them.
        benchmark: the truth's classes; its task, if it is one of BDD100K; which classes a table names, if others.

    Raises:
        DataError: no such file, or something else in it.
    """

    missing = NOTHING

    def __init__(self, path: Path, benchmark: Benchmark) -> None:
        super().__init__()
        assert benchmark.things is not None
        self._frames: dict[str, tuple[str, ScalabelFrame]] = {}
        for file, what in read_files(path):
            for frame in what.frames:
                if frame.key in self._frames:
                    self._leave(file.name, f"{frame.key} is there twice: the first counts")
                self._frames.setdefault(frame.key, (file.name, frame))
        self.things: Classes = self._classes(benchmark.found) if benchmark.found else benchmark.things
        self._reader = ScalabelLabels(self.things, bdd=bool(benchmark.task) and not benchmark.found, masks_only=False)
        first = next((one for _, frame in self._frames.values() for one in self._said(frame)), None)
        self.kinds = ("box",) if first is not None and not (first.rle or first.poly2d) else ("box", "mask")

    def find(self, asked: Asked) -> Prediction | None:
        """The labels of a frame."""
        key = asked.name if asked.name in self._frames else Path(asked.name).name  # without its film
        if key not in self._frames:
            return None
        file, frame = self._frames.pop(key)
        objects = self._whole(file, self._objects, frame, asked.size_hw)
        return Prediction(asked.name, asked.index, asked.size_hw, None, objects)

    def unasked(self) -> list[str]:
        """See Reader."""
        return list(self._frames)

    def _classes(self, names: Sequence[str]) -> Classes:
        """Those names, and all others that there are."""
        there = {one.category for _, frame in self._frames.values() for one in self._said(frame) if one.category}
        every = (*names, *sorted(there - set(names)))
        return Classes(every, colours_for(every))

    def _said(self, frame: ScalabelFrame) -> list[ScalabelLabel]:
        try:
            return frame_labels(frame, frame.key)
        except DataError:
            return []  # it is named when its image is asked for

    def _objects(self, frame: ScalabelFrame, size_hw: tuple[int, int]) -> Instances:
        if frame.size is not None and (frame.size.height, frame.size.width) != size_hw:
            raise wrong_size(Path(frame.key), (frame.size.height, frame.size.width), size_hw)
        marked, scores = [], []
        for label, one in self._reader.marked(frame, size_hw, frame.key):
            marked.append(one)
            scores.append(1.0 if label.score is None else label.score)
        objects = found(marked, scores, self.things)
        if np.count_nonzero(exclusive(objects, size_hw)) < np.count_nonzero(objects.arena):
            self.note = _OVERLAP
        return objects
