"""Which found object is which true one in an image: by COCO's protocol (pycocotools' own code), or by BDD100K's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError

Kind = Literal["box", "mask"]
Bools = NDArray[np.bool_]
MAX_DETS = (1, 10, 100)  # the best objects of a class in an image that count
SIZES = ("all", "small", "medium", "large")
# coco:    a found object prefers true ones that count to ignored ones; its IoU with a crowd is its share on the crowd
# bdd100k: it takes the one that it overlaps most, crowds by plain IoU; a crowd counts as an object unless it is
#          ignored too (the bdd100k package, eval/ins_seg.py)
# scalabel: as coco, but what is ignored is a crowd, and boxes are as large as boxes, masks as masks, in truth too
#          (the scalabel package, label/to_coco.py, eval/detect.py and ins_seg.py)
Rules = Literal["coco", "bdd100k", "scalabel"]


def rules_of(dataset: str) -> Rules:
    """Those of a data set, by its name."""
    return "bdd100k" if dataset.startswith("bdd100k") else "scalabel" if dataset == "scalabel" else "coco"


@dataclass(frozen=True, slots=True)
class Regions:
    """Objects of one image as the protocol reads them."""

    class_ids: NDArray[np.int32]  # (n,)
    shapes: Sequence[Any]  # n boxes [x, y, width, height], pixels, or n of COCO's run lengths {size, counts}
    area_px: NDArray[np.float64]  # (n,) decides what is small (under 32 x 32), medium and large (over 96 x 96)
    scores: NDArray[np.float64]  # (n,) of found objects; of true ones it is not read
    crowd: Bools | None = None  # (n,) a group: may be found any number of times or not at all
    ignore: Bools | None = None  # (n,) neither found nor missed


@dataclass(frozen=True, slots=True)
class Matched:
    """The found objects of one class in one image, best first, at every size and IoU threshold."""

    scores: NDArray[np.float64]  # (n,)
    matched: Bools  # (sizes, thresholds, n) lies on a true object
    ignored: Bools  # (sizes, thresholds, n) does not count, either way
    truths: tuple[int, ...]  # true objects that count, by size


class Matcher:
    """Matches the objects of one class in one image.

    Raises:
        UserError: pycocotools is not installed.
    """

    def __init__(self, kind: Kind, rules: Rules = "coco") -> None:
        self._protocol = protocol(kind)
        self._rules = rules
        self._nothing = np.zeros((0, 0))

    def match(self, truth: Regions, found: Regions, class_id: int) -> Matched:
        """Those of a class; at most the 100 best that were found."""
        rows = np.flatnonzero(found.class_ids == class_id)
        rows = rows[np.argsort(-found.scores[rows], kind="mergesort")][: MAX_DETS[-1]]
        truths = self._truths(truth, np.flatnonzero(truth.class_ids == class_id))
        said = [
            _shape(found.shapes[row], row + 1, found.area_px[row]) | {"score": float(found.scores[row])}
            for row in rows.tolist()
        ]
        protocol, params = self._protocol, self._protocol.params
        protocol._gts[0, 0], protocol._dts[0, 0] = truths, said
        overlaps = protocol.computeIoU(0, 0) if truths and said else np.zeros((len(said), 0))
        # What overlaps nothing by the least threshold is matched at none, so nobody need look at it again.
        near = np.flatnonzero((overlaps >= params.iouThrs[0]).any(1)) if overlaps.size else np.zeros(0, np.intp)
        protocol._dts[0, 0] = [said[row] for row in near]
        protocol.ious[0, 0] = overlaps[near]
        areas = found.area_px[rows]
        shape = len(SIZES), len(params.iouThrs), len(rows)
        matched, ignored = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        counted = [0] * len(SIZES)
        for size, (least, most) in enumerate(params.areaRng):
            ignored[size] = (areas < least) | (areas > most)
            if truths:
                one = self._bdd100k(truths, least, most) if self._rules == "bdd100k" else self._coco(least, most)
                matched[size][:, near], on_ignored, counts = one
                ignored[size][:, near] = np.where(matched[size][:, near], on_ignored, ignored[size][:, near])
                counted[size] = counts
        return Matched(found.scores[rows], matched, ignored, tuple(counted))

    def _truths(self, objects: Regions, rows: NDArray[np.intp]) -> list[dict[str, Any]]:
        nothing = np.zeros(len(objects.class_ids), np.bool_)
        crowd = nothing if objects.crowd is None else objects.crowd
        ignore = nothing if objects.ignore is None else objects.ignore
        coco = self._rules != "bdd100k"
        if self._rules == "scalabel":
            crowd = crowd | ignore
        return [
            _shape(objects.shapes[row], row + 1, objects.area_px[row])
            | {
                "iscrowd": int(coco and crowd[row]),
                "ignore": bool(ignore[row] or (coco and crowd[row])),
                "any_number": bool(crowd[row]),
            }
            for row in rows.tolist()
        ]

    def _coco(self, least: float, most: float) -> tuple[Bools, Bools, int]:
        said = self._protocol.evaluateImg(0, 0, [least, most], MAX_DETS[-1])
        return said["dtMatches"] != 0, said["dtIgnore"] != 0, int(np.count_nonzero(said["gtIgnore"] == 0))

    def _bdd100k(self, truths: list[dict[str, Any]], least: float, most: float) -> tuple[Bools, Bools, int]:
        areas = np.array([one["area"] for one in truths])
        ignore = np.array([one["ignore"] for one in truths]) | (areas < least) | (areas > most)
        overlaps, thresholds = self._protocol.ious[0, 0], self._protocol.params.iouThrs
        matched, ignored = (np.zeros((len(thresholds), len(overlaps)), np.bool_) for _ in range(2))
        for step, threshold in enumerate(thresholds):
            left = overlaps.copy()
            for row, shares in enumerate(left):
                best = int(shares.argmax())
                if shares[best] >= threshold:
                    matched[step, row], ignored[step, row] = True, ignore[best]
                    if not truths[best]["any_number"]:
                        left[:, best] = 0
        return matched, ignored, int(np.count_nonzero(~ignore))


def protocol(kind: Kind) -> Any:
    """pycocotools' COCOeval, empty.

    Raises:
        UserError: it is not installed.
    """
    try:
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise UserError("average precision needs pycocotools", hint="pip install 'dashmask[eval]'") from error
    return COCOeval(iouType="bbox" if kind == "box" else "segm")


def _shape(shape: Any, number: int, area_px: float) -> dict[str, Any]:
    return {"bbox": shape, "segmentation": shape, "id": number, "area": float(area_px)}  # 0 is no match
