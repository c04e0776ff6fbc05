"""YOLO instance segmentation: YOLOv5-seg, v8, 11, and the NMS-free layout of 26."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.config import DecodeConfig
from pipeline.errors import ModelError
from pipeline.postprocess import chosen_classes
from pipeline.postprocess.masks import masks_in_boxes
from pipeline.postprocess.nms import nms
from pipeline.regional import Output, RegionalOutput
from pipeline.types import Card, Inferred, Instances

# How the rows of detections lie, with c classes and k mask coefficients (= prototypes):
#   dense       (4 + c + k, anchors): box as centre and size, a score per class, coefficients (v8, 11, 26 with NMS)
#   objectness  (anchors, 5 + c + k): the same with an objectness that multiplies the scores (YOLOv5)
#   final       (n, 6 + k): box as corners, score, class, coefficients; nothing to suppress (26, exports with NMS)
Layout = Literal["dense", "objectness", "final"]


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Detections in network pixels, row by row."""

    boxes_xyxy: NDArray[np.float32]  # (n, 4)
    scores: NDArray[np.float32]  # (n,)
    class_ids: NDArray[np.int32]  # (n,)
    coefficients: NDArray[np.float32]  # (n, k)

    def take(self, rows: NDArray[Any]) -> _Candidates:
        """Some of them, by index or by a mask."""
        return _Candidates(self.boxes_xyxy[rows], self.scores[rows], self.class_ids[rows], self.coefficients[rows])


class YoloSeg:
    """Detections and prototypes to instances with masks; the rules and defaults are those of Ultralytics' predict.

    Raises:
        ModelError: outputs that are no YOLO-seg's.
        ConfigError: config.classes names a class that the model does not have.
    """

    def __init__(self, card: Card, config: DecodeConfig) -> None:
        self._card, self._config = card, config
        self._chosen = chosen_classes(card.classes, config.classes)
        self._says_final = _says_final(card.details)
        if all(output.shape for output in card.outputs):  # else what comes tells
            _find_outputs(card.name, [output.shape for output in card.outputs])

    @property
    def chosen(self) -> NDArray[np.bool_] | None:
        """(classes,) kept; None where the network has suppressed by itself, which only this decoder reads."""
        return None if self._says_final else self._chosen

    def decode(self, inferred: Inferred) -> Instances:
        """Objects in source pixels, best first; rows with anything that is not a finite number are left out."""
        outputs = inferred.outputs
        rows_at, prototypes_at = _find_outputs(self._card.name, [output.shape for output in outputs])
        rows, prototypes = (_one(outputs[at]) for at in (rows_at, prototypes_at))
        rows = rows if isinstance(rows, np.ndarray) else rows.whole()[0]
        layout = self._layout(rows.shape, prototypes.shape[-3:])
        letterbox = inferred.prepared.letterbox
        with np.errstate(all="ignore"):
            found = _READ[layout](rows, len(self._card.classes), self._config.conf)
            if not self._chosen.all():
                found = found.take(self._chosen[found.class_ids])
            found = found.take(self._best(found, layout))
            boxes = letterbox.boxes_to_frame(found.boxes_xyxy)
        masks = masks_in_boxes(boxes, found.coefficients, prototypes, letterbox)
        return Instances(
            boxes_xyxy=boxes[masks.kept],
            scores=found.scores[masks.kept],
            class_ids=found.class_ids[masks.kept],
            crops_px=masks.crops_px,
            arena=masks.arena,
            offset=masks.offset,
            classes=self._card.classes,
        )

    def _layout(self, rows: tuple[int, ...], prototypes: tuple[int, ...]) -> Layout:
        """How the detections lie, from their shape, that of the prototypes, and the number of classes."""
        classes, (k, height, width) = len(self._card.classes), prototypes
        yolov5_anchors = 3 * height * width * 21 // 64  # three at strides 8, 16 and 32; prototypes have 4
        if not self._says_final and rows[0] == 4 + classes + k:
            return "dense"
        if not self._says_final and rows[1] == 5 + classes + k and (classes > 1 or rows[0] == yolov5_anchors):
            return "objectness"
        if rows[1] == 6 + k:
            return "final"
        raise ModelError(
            f"{self._card.name}: detections of shape {rows} do not fit {classes} classes and {k} prototypes; "
            f"expected ({4 + classes + k}, anchors), (anchors, {5 + classes + k}) or (n, {6 + k})",
            hint="check that the card lists the classes the model was trained on",
        )

    def _best(self, found: _Candidates, layout: Layout) -> NDArray[np.intp]:
        config = self._config
        if layout == "final":
            return np.argsort(-found.scores, kind="stable")[: config.max_det]
        class_ids = None if config.agnostic else found.class_ids
        return nms(found.boxes_xyxy, found.scores, class_ids, iou=config.iou, max_det=config.max_det)


def _one(output: Output) -> NDArray[np.float32] | RegionalOutput:
    """That of the one frame."""
    return np.asarray(output[0], np.float32) if isinstance(output, np.ndarray) else output


def _find_outputs(name: str, shapes: Sequence[tuple[int | None, ...]]) -> tuple[int, int]:
    """Where the detections (three dimensions) and the prototypes (four) are among the outputs."""
    ranks = [len(shape) for shape in shapes]
    if ranks.count(3) != 1 or ranks.count(4) != 1:
        raise ModelError(
            f"{name}: outputs {', '.join(map(str, shapes)) or 'none'} are not those of a YOLO-seg network; expected "
            "detections (1, rows, columns) and prototypes (1, k, height, width)",
            hint="state the right family in the model's card",
        )
    return ranks.index(3), ranks.index(4)


def _says_final(details: Mapping[str, Any]) -> bool:
    """Whether Ultralytics' metadata says that suppression is done: `end2end`, or `nms` among the export's args."""
    args = details.get("args")
    return details.get("end2end") is True or (isinstance(args, Mapping) and args.get("nms") is True)


def _read_dense(rows: NDArray[np.float32], classes: int, conf: float) -> _Candidates:
    found = rows[:, np.flatnonzero(rows[4 : 4 + classes].max(0) > conf)]
    found = found[:, np.isfinite(found).all(0)]
    scores = found[4 : 4 + classes]
    return _Candidates(
        _corners(found[:2].T, found[2:4].T),
        scores.max(0),
        scores.argmax(0).astype(np.int32),
        found[4 + classes :].T,
    )


def _read_objectness(rows: NDArray[np.float32], classes: int, conf: float) -> _Candidates:
    found = rows[np.flatnonzero(rows[:, 4] > conf)]
    found = found[np.isfinite(found).all(1)]
    scores = found[:, 5 : 5 + classes] * found[:, 4:5]
    best = scores.max(1)
    candidates = _Candidates(
        _corners(found[:, :2], found[:, 2:4]),
        best,
        scores.argmax(1).astype(np.int32),
        found[:, 5 + classes :],
    )
    return candidates.take(best > conf)


def _read_final(rows: NDArray[np.float32], classes: int, conf: float) -> _Candidates:
    found = rows[(rows[:, 4] > conf) & (rows[:, 5] >= 0) & (rows[:, 5] < classes)]
    found = found[np.isfinite(found).all(1)]
    return _Candidates(found[:, :4], found[:, 4], found[:, 5].astype(np.int32), found[:, 6:])


def _corners(centres: NDArray[np.float32], sizes: NDArray[np.float32]) -> NDArray[np.float32]:
    half = sizes / 2
    return np.hstack([centres - half, centres + half])


_READ: Mapping[Layout, Callable[[NDArray[np.float32], int, float], _Candidates]] = MappingProxyType(
    {"dense": _read_dense, "objectness": _read_objectness, "final": _read_final}
)
