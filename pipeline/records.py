"""The record of one frame: a line of JSON with what is where, and back.

{"index":0,"pts_s":0.0,
 "instances":[{"class":"car","class_id":2,"score":0.91,"box_xyxy":[..],"rle":{"size":[h,w],"counts":".."}}],
 "labels":{"road":{"size":[h,w],"counts":".."}},
 "dropped":{"late":3},
 "timing":{"age_ms":41.2,"stages_ms":{"infer":20.1}}}

A time in which a live source was away stands between the frames around it:

{"gap":{"from_pts_s":12.4,"seconds":3.1,"reason":"rtsp://camera/1 was lost after 12.4 s: nothing came for 5 s"}}

Frames of a folder of images carry its name, `"image":"0000000012.png"`. `instances` is there when an instance network
ran, `labels` when a semantic one did; a class without a pixel has no entry. Where objects are numbered over time,
those that have a number carry it as `"track":7`. Run lengths are COCO's. Where the networks left a frame out,
`"carried":2` says that they looked two frames before. With a budget `"rung"` says at which size, and on what, they
ran. Every measured time sits under `timing`: without it, and without a budget, two runs
over the same footage give the same bytes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from pipeline.classes import colours_for
from pipeline.errors import UserError
from pipeline.rle import decode, decode_crop, encode_instances, encode_labels
from pipeline.types import VOID, Classes, Gap, Instances, Labels, Scene

_GAP = re.compile(rb'\s*\{\s*"gap"\s*:')
_encoder = msgspec.json.Encoder()


def record_of(scene: Scene, timing: bool = True, exact: bool = False) -> dict[str, Any]:
    """The record as a dictionary of plain values.

    Args:
        scene: scores are rounded to 4 digits, boxes to 2 (pixels), times to 3 (milliseconds);
            pts_s is not rounded.
        timing: whether measured times are put in.
        exact: scores and boxes are not rounded: what is read back is scored as what was written.
    """
    frame = scene.frame
    record: dict[str, Any] = {"index": frame.index, "pts_s": frame.pts_s}
    if frame.name:
        record["image"] = frame.name
    size = list(frame.image.size_hw)
    if scene.instances is not None:
        record["instances"] = _instance_records(scene.instances, size, exact)
    if scene.labels is not None:
        names = scene.labels.classes.names
        counts = encode_labels(scene.labels.map, len(names))
        record["labels"] = {names[i]: {"size": size, "counts": text} for i, text in counts.items()}
    if frame.carried:
        record["carried"] = frame.carried
    record["dropped"] = dict(scene.dropped)
    if scene.rung:
        record["rung"] = scene.rung
    if timing:
        spans = dict(frame.stamps.spans)
        record["timing"] = {
            "age_ms": round((time.monotonic() - frame.captured_s) * 1e3, 3),
            "stages_ms": {stage: round((end - begin) * 1e3, 3) for stage, (begin, end) in spans.items()},
        }
    return record


def encode_record(scene: Scene, timing: bool = True) -> bytes:
    """The record as one line of JSON, UTF-8, with its line end."""
    return _encoder.encode(record_of(scene, timing)) + b"\n"


def encode_gap(gap: Gap) -> bytes:
    """A gap as one line of JSON, UTF-8, with its line end; seconds are rounded to milliseconds."""
    what = {"from_pts_s": gap.from_pts_s, "seconds": round(gap.seconds, 3), "reason": gap.reason}
    return _encoder.encode({"gap": what}) + b"\n"


def is_gap(line: bytes) -> bool:
    """Whether a line tells of a gap and not of a frame."""
    return _GAP.match(line) is not None


def _instance_records(found: Instances, size: list[int], exact: bool) -> list[dict[str, Any]]:
    ids = found.class_ids.tolist()
    scores, boxes = found.scores.astype(np.float64), found.boxes_xyxy.astype(np.float64)
    if not exact:
        scores, boxes = np.round(scores, 4), np.round(boxes, 2)
    texts = encode_instances(found, (size[0], size[1]))
    numbers = [0] * len(ids) if found.track_ids is None else found.track_ids.tolist()
    return [
        {
            "class": found.classes.names[class_id],
            "class_id": class_id,
            **({"track": number} if number else {}),
            "score": score,
            "box_xyxy": box,
            "rle": {"size": size, "counts": counts},
        }
        for class_id, number, score, box, counts in zip(
            ids, numbers, scores.tolist(), boxes.tolist(), texts, strict=True
        )
    ]


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was read back."""

    index: int
    pts_s: float
    instances: Instances | None  # None: no instance network ran
    labels: Labels | None  # None: no semantic network ran
    dropped: Mapping[str, int]
    timing: Mapping[str, Any] | None


_Side = Annotated[int, msgspec.Meta(ge=0, le=65_535)]  # pixels
_Number = Annotated[float, msgspec.Meta(ge=-1e38, le=1e38)]  # that a float32 holds
_MOST_PX = 1 << 28  # of a picture: a broken line does not take all memory


class _Rle(msgspec.Struct):
    size: tuple[_Side, _Side]
    counts: str

    def __post_init__(self) -> None:
        if self.size[0] * self.size[1] > _MOST_PX:
            raise ValueError(f"a picture of {self.size[1]}x{self.size[0]} is larger than any that is written")


class _Instance(msgspec.Struct):
    name: str = msgspec.field(name="class")
    class_id: Annotated[int, msgspec.Meta(le=65_535)]
    score: _Number
    box_xyxy: tuple[_Number, _Number, _Number, _Number]
    rle: _Rle
    track: Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)] = 0


class _Record(msgspec.Struct):
    index: int
    pts_s: float
    instances: list[_Instance] | None = None
    labels: dict[str, _Rle] | None = None
    dropped: dict[str, int] = {}
    timing: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(_Record)


def read_records(path: Path, label_names: Sequence[str] = ()) -> Iterator[Record]:
    """The records of a JSON Lines file, in order; empty lines and gaps are passed over.

    Args:
        path: of the file.
        label_names: as for read_record.

    Raises:
        UserError: the file cannot be read, or a line is no record; names the line.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip() and not is_gap(line):
                    yield read_record(line, label_names, f"{path}, line {number}")
    except OSError as error:
        raise UserError(f"{path}: the records cannot be read: {error.strerror}") from error


def read_record(line: bytes | str, label_names: Sequence[str] = (), where: str = "a record") -> Record:
    """A record from its line.

    Args:
        line: JSON.
        label_names: the classes of the semantic network, in the order of their ids. A record holds only
            names; without this they get ids in the order in which the record has them.
        where: how an error names the line.

    Raises:
        UserError: the line is no record; says what is wrong with it.
    """
    try:
        raw = _decoder.decode(line)
        instances = None if raw.instances is None else _instances(raw.instances)
        labels = None if raw.labels is None else _labels(raw.labels, label_names)
    except (msgspec.DecodeError, ValueError) as error:
        hint = "each line holds one frame as `dashmask run --json` writes it"
        raise UserError(f"{where}: {error}", hint=hint) from error
    return Record(raw.index, raw.pts_s, instances, labels, raw.dropped, raw.timing)


def _instances(raw: list[_Instance]) -> Instances:
    names: dict[int, str] = {}
    for one in raw:
        if one.class_id < 0 or names.setdefault(one.class_id, one.name) != one.name:
            raise ValueError(f"class_id {one.class_id} of {one.name!r} is negative or stands for another class")
    crops = [decode_crop(one.rle.counts, one.rle.size) for one in raw]
    masks = [mask.reshape(-1) for mask, _ in crops]
    return Instances(
        boxes_xyxy=np.array([one.box_xyxy for one in raw], np.float32).reshape(-1, 4),
        scores=np.array([one.score for one in raw], np.float32),
        class_ids=np.array([one.class_id for one in raw], np.int32),
        crops_px=np.array([box for _, box in crops], np.int32).reshape(-1, 4),
        arena=np.concatenate([*masks, np.zeros(0, np.uint8)]),
        offset=np.cumsum([0, *(mask.size for mask in masks)], dtype=np.int64),
        classes=_classes(tuple(names.get(i, "") for i in range(max(names, default=-1) + 1))),
        track_ids=np.array([one.track for one in raw], np.int64) if any(one.track for one in raw) else None,
    )


def _labels(raw: dict[str, _Rle], label_names: Sequence[str]) -> Labels:
    names = tuple(label_names) or tuple(raw)
    sizes = {rle.size for rle in raw.values()} or {(0, 0)}  # every pixel void: the size is not known
    if len(sizes) > 1:
        raise ValueError(f"labels of different sizes: {sorted(sizes)}")
    labels = np.full(sizes.pop(), VOID, np.uint8)
    for name, rle in raw.items():
        if name not in names:
            raise ValueError(f"a label {name!r}, expected one of {', '.join(names)}")
        labels[decode(rle.counts, rle.size)] = names.index(name)
    return Labels(labels, _classes(names))


@lru_cache(maxsize=16)
def _classes(names: tuple[str, ...]) -> Classes:
    return Classes(names, colours_for(names))
