"""BDD100K's results: trainIds as PNG, objects as RGBA bitmasks with a JSON of scores.

`{out}/sem_seg/{name}.png`: 0..18, 255 nothing. `{out}/ins_seg/bitmasks/{name}.png`: R category from 1, G flags,
B * 256 + A number of the object. `{out}/ins_seg/scores.json`: a list of Scalabel frames whose labels give `index`
(that number) and `score`. doc.bdd100k.com: Data format, Evaluation. Masks may not overlap: the best keeps a pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np

from pipeline.classes import DRIVING
from pipeline.datasets.bdd100k import TRAIN_IDS
from pipeline.datasets.bdd100k_labels import DRIVABLE, LANES, bitmask_objects, read_panoptic
from pipeline.datasets.bdd100k_labels import THINGS as BDD_THINGS
from pipeline.datasets.bdd100k_road import DRIVABLE_IDS, LANE_IDS
from pipeline.datasets.json_file import read_json
from pipeline.datasets.listing import files
from pipeline.datasets.objects import Marked
from pipeline.errors import DataError
from pipeline.formats.base import LastNames, Prediction, digits, exclusive, write_bytes, write_png
from pipeline.formats.reading import NOTHING, Asked, Benchmark, Reading, found, wrong_size
from pipeline.types import Classes, Instances, Panoptic


class Bdd100kWriter:
    """Label maps and bitmasks as the bdd100k package evaluates them."""

    labels: ClassVar[Classes | None] = DRIVING
    things: ClassVar[Classes | None] = BDD_THINGS
    scored: ClassVar[bool] = True
    numbered: ClassVar[bool] = False

    def __init__(self, out: Path) -> None:
        self._out = out
        self._frames: list[dict[str, Any]] = []
        self._names = LastNames()
        self._made: dict[Path, None] = {}

    def add(self, prediction: Prediction) -> None:
        """Write one image's files; its scores are kept for the end."""
        name = self._names.of(prediction.name)
        if prediction.labels is not None:
            self._made[self._out / "sem_seg"] = None
            write_png(self._out / "sem_seg" / f"{name}.png", prediction.labels)
        found = prediction.instances
        if found is None:
            return
        owner = exclusive(found, prediction.size_hw)
        categories = np.concatenate([[0], found.class_ids + 1])
        bitmask = np.zeros((*owner.shape, 4), np.uint8)  # B, G, R, A: as OpenCV orders them
        bitmask[..., 0], bitmask[..., 3], bitmask[..., 2] = owner >> 8, owner & 255, categories[owner]
        self._made[self._out / "ins_seg"] = None
        write_png(self._out / "ins_seg" / "bitmasks" / f"{name}.png", bitmask)
        labels = [{"id": str(i + 1), "index": i + 1, "score": digits(score)} for i, score in enumerate(found.scores)]
        self._frames.append({"name": f"{name}.jpg", "labels": labels})

    def close(self) -> list[Path]:
        """Write the scores."""
        if self._frames:
            write_bytes(self._out / "ins_seg" / "scores.json", msgspec.json.encode(self._frames))
        return list(self._made)


class _Label(msgspec.Struct, frozen=True):
    index: int
    score: float


class _Frame(msgspec.Struct, frozen=True):
    name: str
    labels: list[_Label] | None = None


class _Frames(msgspec.Struct, frozen=True):
    frames: list[_Frame]


class Bdd100kReader(Reading):
    """Label maps, or bitmasks with a JSON of scores, by anybody.

    Args:
        path: the folder of the PNGs, or one around it, as Bdd100kWriter makes it.
        benchmark: its task: sem_seg, drivable, lane, ins_seg or pan_seg.

    Raises:
        DataError: no such folder; bitmasks without one JSON of scores.
    """

    missing = NOTHING

    def __init__(self, path: Path, benchmark: Benchmark) -> None:
        super().__init__()
        self._task = benchmark.task
        self._bitmasks = benchmark.task == "ins_seg"
        inner = [f"{benchmark.task}/bitmasks", "bitmasks", f"{benchmark.task}/masks", "masks", benchmark.task, "."]
        folder = next((path / name for name in inner if (path / name).is_dir()), path)
        self._files = {Path(name).name: file for name, file in files(folder, (".png",), deep=True).items()}
        self._rest = set(self._files)
        if not self._files:
            raise DataError(f"{folder} has no predictions", hint="they are PNGs, called as their images")
        self.things = BDD_THINGS if self._bitmasks else None
        maps: Mapping[str, tuple[Classes, Mapping[int, int]]] = {
            "sem_seg": (DRIVING, TRAIN_IDS),
            "drivable": (DRIVABLE, DRIVABLE_IDS),
            "lane": (LANES, LANE_IDS),
        }
        self.labels = maps[benchmark.task][0] if benchmark.task in maps else None
        self._ids = maps[benchmark.task][1] if benchmark.task in maps else {}
        self._scores = self._read_scores(folder) if self._bitmasks else {}

    def find(self, asked: Asked) -> Prediction | None:
        """What the PNG of an image holds."""
        name = Path(asked.name).name
        path = self._files.get(name)
        self._rest.discard(name)
        if path is None:
            return None
        if self._task == "pan_seg":
            segments = self._whole(path.name, _panoptic, path, asked.size_hw)
            return Prediction(asked.name, asked.index, asked.size_hw, panoptic=segments)
        if not self._bitmasks:
            labels = self._labels(path, self._ids, asked.size_hw)
            return Prediction(asked.name, asked.index, asked.size_hw, None if labels is None else labels.class_ids)
        objects = self._whole(path.name, self._objects, path, name, asked.size_hw)
        return Prediction(asked.name, asked.index, asked.size_hw, None, objects)

    def unasked(self) -> list[str]:
        """See Reader."""
        return sorted(f"{name}.png" for name in self._rest)

    def _objects(self, path: Path, name: str, size_hw: tuple[int, int]) -> Instances:
        bitmask_hw, there = bitmask_objects(path, len(BDD_THINGS))
        if bitmask_hw != size_hw:
            raise wrong_size(path, bitmask_hw, size_hw)
        by_number = {one.number: one for one in there}
        scores = self._scores.get(name, {})
        if lone := by_number.keys() - scores.keys():
            self._leave(path.name, f"{len(lone)} objects have no score, such as {min(lone)}: they do not count")
        counted = [(by_number[number], score) for number, score in scores.items() if number in by_number]
        marked = [Marked(one.category - 1, one.segment.mask, one.segment.crop_px, one.number) for one, _ in counted]
        return found(marked, [score for _, score in counted], BDD_THINGS)

    def _read_scores(self, folder: Path) -> dict[str, dict[int, float]]:
        """Image -> number of an object -> score."""
        places = [folder, *folder.parents][:2]
        there = [path for place in places for path in sorted(place.glob("*.json"))]
        if len(there) != 1:
            raise DataError(
                f"{folder}: {len(there)} JSON files beside the bitmasks, one of scores was expected",
                hint="a list of frames: name, and labels with index and score",
            )
        what = read_json(there[0], list[_Frame] | _Frames, "frames with labels of index and score")  # type: ignore[arg-type]
        table: dict[str, dict[int, float]] = {}
        for frame in what.frames if isinstance(what, _Frames) else what:
            name, scores = Path(frame.name).stem, dict[int, float]()
            if name in table:
                self._leave(there[0].name, f"{frame.name} is there twice: the first counts")
                continue
            for label in frame.labels or ():
                if label.index in scores:
                    self._leave(there[0].name, f"{frame.name}: object {label.index} is there twice: the first counts")
                scores.setdefault(label.index, label.score)
            table[name] = scores
        return table


def _panoptic(path: Path, size_hw: tuple[int, int]) -> Panoptic:
    found = read_panoptic(path)
    height, width = found.segments.shape
    if (height, width) != size_hw:
        raise wrong_size(path, (height, width), size_hw)
    return found
