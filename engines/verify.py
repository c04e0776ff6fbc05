"""Compare a backend with the ONNX Runtime fp32 reference on real frames, and judge it.

Frames, the decoder and what compares its results are handed in. Both run the same tensors; what is judged is what a
user sees (labels, boxes, masks, classes), the raw numbers, and whether a frame's result depends on anything but the
frame: on its place in a batch, on what else is in the batch, on the run, on the worker.
"""

from __future__ import annotations

import difflib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from types import MappingProxyType
from typing import Any, Literal, Protocol

from engines.backends.base import Backend
from engines.machine import cpu_name
from engines.raw_outputs import RawOutputs, distance, same_bytes
from engines.verification import GRADES, VERSION, Check, Verification, grade_of, identity_of, why_not_verified
from pipeline.errors import BackendError, ModelError
from pipeline.types import Card, Inferred, Prepared

_KEPT = 4  # frames that are run again, in a batch and by all workers


@dataclass(frozen=True, slots=True)
class Kind:
    """What a check is: its limit is the least or the most that passes."""

    sense: Literal["least", "most"]
    title: str
    unit: str = ""  # % for shares
    limits: tuple[float, float, float, float] | None = None  # f32, fp16, bf16, int8; None: shown, not judged


CHECKS: Mapping[str, Kind] = MappingProxyType(
    {
        "frames": Kind("least", "frames compared", "", (8, 8, 8, 8)),
        "other_shapes": Kind("most", "outputs of another shape", "frames", (0, 0, 0, 0)),
        "not_finite": Kind("most", "NaN or infinite", "values", (0, 0, 0, 0)),
        "largest_difference": Kind("most", "largest difference of outputs", "of range"),
        "mean_difference": Kind("most", "mean difference of outputs", "of range", (2e-5, 1e-3, 6e-3, 2e-2)),
        "repeat": Kind("most", "same input, other bytes", "frames", (0, 0, 0, 0)),
        "batch_twins": Kind("most", "same row twice in a batch differs", "rows", (0, 0, 0, 0)),
        "batch_order": Kind("most", "batch rows of another frame", "rows", (0, 0, 0, 0)),
        "batch_rows": Kind("most", "batch row against frame alone", "of range", (2e-5, 1e-3, 6e-3, 2e-2)),
        # semantic
        "classes_seen": Kind("least", "classes on 0.1 % of pixels", "", (2, 2, 2, 2)),
        "label_agreement": Kind("least", "pixels with the same label", "%", (0.9995, 0.995, 0.975, 0.95)),
        "worst_frame": Kind("least", "the same, worst frame", "%", (0.998, 0.985, 0.95, 0.92)),
        "label_iou": Kind("least", "mean IoU of labels", "%", (0.995, 0.97, 0.90, 0.85)),
        "class_kept": Kind("least", "pixels keeping class, worst class", "%", (0.98, 0.93, 0.80, 0.70)),
        "label_shift_px": Kind("most", "labels fit better moved by", "px", (0, 0, 0, 0)),
        # instances
        "instances": Kind("least", "objects compared", "", (10, 10, 10, 10)),
        "missing": Kind("most", "sure objects missing", "%", (0.005, 0.01, 0.02, 0.04)),
        "extra": Kind("most", "sure objects extra", "%", (0.005, 0.01, 0.02, 0.04)),
        "class_flips": Kind("most", "objects of another class", "%", (0.005, 0.01, 0.02, 0.03)),
        "objects_kept": Kind("least", "sure objects with class and mask", "%", (0.995, 0.985, 0.97, 0.95)),
        "box_iou": Kind("least", "mean IoU of boxes", "%", (0.999, 0.99, 0.97, 0.93)),
        "mask_iou": Kind("least", "mean IoU of masks", "%", (0.998, 0.985, 0.96, 0.93)),
        "score_difference": Kind("most", "mean difference of scores", "", (1e-3, 5e-3, 2e-2, 4e-2)),
        "mask_shift_px": Kind("most", "masks lie aside by, median", "px", (0.1, 0.3, 0.5, 0.5)),
    }
)


def gate(card: Card, backend: Backend) -> str:
    """Why a backend may not run a network before it is verified; empty: it may. Computes nothing. For select()."""
    return why_not_verified(card, backend, limits_for(card, backend.precision))


class Comparison(Protocol):
    """Compares decoded results, frame by frame; pipeline.evaluation.comparing has one for each family."""

    def add(self, expected: Any, found: Any) -> float:
        """Count a frame; how far the two agree, 0..1."""
        ...

    def measures(self) -> Mapping[str, float]:
        """Keys of CHECKS to values over all frames; NaN where there was nothing to measure."""
        ...


def limits_for(card: Card, precision: str) -> dict[str, float]:
    """What is asked of a backend of a precision that runs this network: defaults, and what the card's `verify:` says.

    Raises:
        ModelError: the card names a check or a precision that there is not.
    """
    grade = grade_of(card, precision)
    column = GRADES.index(grade)
    limits = {name: kind.limits[column] for name, kind in CHECKS.items() if kind.limits is not None}
    said = card.details.get("verify", {})
    for key, own in (said if isinstance(said, Mapping) else {}).items():
        if key not in GRADES or not isinstance(own, Mapping):
            raise ModelError(f"{card.name}: verify: `{key}`: expected {', '.join(GRADES)}, and limits below it")
        for name, limit in own.items():
            if name not in CHECKS:
                near = difflib.get_close_matches(str(name), CHECKS, 1)
                hint = f"did you mean `{near[0]}`?" if near else f"they are {', '.join(CHECKS)}"
                raise ModelError(f"{card.name}: verify.{key}: there is no check `{name}`", hint=hint)
            if isinstance(limit, bool) or not isinstance(limit, int | float) or not math.isfinite(limit):
                raise ModelError(f"{card.name}: verify.{key}.{name}: expected a number, got {limit!r}")
            if key == grade:
                limits[name] = float(limit)
    return limits


def verify(
    backend: Backend,
    reference: Backend,
    frames: Iterable[Prepared],
    decode: Callable[[Inferred], Any],
    comparison: Comparison,
    *,
    card: Card,
    limits: Mapping[str, float],
    source: str,
    compared_with: str = "",
    watch: Callable[[int], None] = lambda done: None,
) -> Verification:
    """Run both on every frame and compare.

    Args:
        backend: what is judged; used from this thread, and from others where it has several workers.
        reference: see engines.backends.onnxruntime.open_exact.
        frames: taken one by one, their leases are released; a few are held until the end.
        decode: of the network's family.
        comparison: of decoded results.
        card: of the model that the backend runs.
        limits: see limits_for.
        source: of the frames, for people.
        compared_with: the reference, for people; "": its own detail.
        watch: is told how many frames are done.

    Raises:
        BackendError: there was not one frame.
        UserError: one of the two cannot run the network.
    """
    raw = RawOutputs()
    kept: list[Inferred] = []  # of the first frames, as the backend said them
    spans: list[tuple[float, float]] = []
    worst, worst_frame, size_hw, shapes = math.inf, None, (0, 0), 0
    with ExitStack() as held:
        for prepared in frames:
            with ExitStack() as lease:
                alike = not kept or kept[0].prepared.tensor.shape == prepared.tensor.shape  # rows of one batch
                keep = held if alike and len(kept) < _KEPT else lease
                if prepared.lease is not None:
                    keep.callback(prepared.lease.release)
                expected, reference_s = _timed(reference, prepared)
                found, backend_s = _timed(backend, prepared)
                size_hw = size_hw if spans else prepared.letterbox.network_hw
                spans.append((backend_s, reference_s))
                if keep is held:
                    kept.append(found)
                comparable = raw.add(expected.arrays(), found.arrays())
                shapes += not comparable
                agreement = comparison.add(decode(expected), decode(found)) if comparable else 0.0
            if agreement < worst:
                worst, worst_frame = agreement, prepared.frame.index
            watch(len(spans))
        if not spans:
            raise BackendError(f"{source}: there is not one frame to verify on", hint="give a clip with frames")
        done = len(spans)
        measures = {"frames": float(done), "other_shapes": float(shapes), **raw.measures(), **again(backend, kept)}
    measures |= comparison.measures()
    later = spans[1:] or spans  # the first run allocates and compiles
    return Verification(
        version=VERSION,
        model=card.path.name,
        sha256=card.sha256,
        reference=compared_with or reference.detail,
        backend=backend.name,
        identity=identity_of(backend),
        machine=cpu_name(),
        precision=grade_of(card, backend.precision),
        source=source,
        size_hw=size_hw,
        frames=done,
        worst_frame=worst_frame,
        worst_agreement=None if worst_frame is None else worst,
        backend_ms=median(ours for ours, _ in later) * 1e3,
        reference_ms=median(theirs for _, theirs in later) * 1e3,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        checks=tuple(judge(name, measures[name], limits.get(name)) for name in CHECKS if name in measures),
    )


def judge(name: str, measured: float, limit: float | None) -> Check:
    """One check. What could not be measured does not pass where there is a limit."""
    kind = CHECKS[name]
    number = measured if math.isfinite(measured) else None
    if limit is None:
        return Check(name, number, None, True, "")
    if number is None:
        return Check(name, None, limit, False, f"{kind.title}: there was nothing to measure")
    passed = number >= limit if kind.sense == "least" else number <= limit
    says = f"{kind.title}: {shown(name, number)}, at {kind.sense} {shown(name, limit)} passes"
    return Check(name, number, limit, passed, "" if passed else says)


def shown(name: str, value: float) -> str:
    """A measure with its unit, for people."""
    unit = CHECKS[name].unit
    if unit == "%":
        return f"{value * 100:.2f} %"
    number = f"{value:g}" if value == int(value) and abs(value) < 1e6 else f"{value:.2g}"
    return f"{number} {unit}".rstrip()


def again(backend: Backend, before: Sequence[Inferred]) -> dict[str, float]:
    """Run frames again: alone, by all workers at once, and as rows of one batch.

    Args:
        before: results of the frames alone, one each.
    """
    prepared = [inferred.prepared for inferred in before]

    def repeats(_: int) -> list[bool]:
        return [
            same_bytes(_one(backend, one).arrays(), first.arrays())
            for one, first in zip(prepared, before, strict=True)
        ]

    if backend.workers > 1:
        with ThreadPoolExecutor(backend.workers) as pool:
            same = list(pool.map(repeats, range(backend.workers)))
    else:
        same = [repeats(0)]  # in this thread: it may own a context of the device
    other = sum(not all(of_frame) for of_frame in zip(*same, strict=True))
    size = max(backend.max_batch, len(prepared) + 1, 3)
    order = [row % len(prepared) for row in range(size - 1)] + [0]
    rows = [inferred.arrays() for inferred in backend.submit([prepared[index] for index in order]).result()]
    if len(rows) != size:
        return {
            "repeat": float(other),
            "batch_twins": float(size),
            "batch_order": float(size),
            "batch_rows": math.inf,
        }
    alone = [inferred.arrays() for inferred in before]
    twins = sum(not same_bytes(rows[row], rows[order.index(index)]) for row, index in enumerate(order))
    apart = [[distance(other_frame, row) for other_frame in alone] for row in rows]
    # Clearly nearer to another frame: two frames of a car that stands still are the same but for rounding.
    swapped = sum(min(all_) < all_[index] / 2 for all_, index in zip(apart, order, strict=True))
    own = max(all_[index] for all_, index in zip(apart, order, strict=True))
    return {"repeat": float(other), "batch_twins": float(twins), "batch_order": float(swapped), "batch_rows": own}


def _timed(backend: Backend, prepared: Prepared) -> tuple[Inferred, float]:
    began = time.perf_counter()
    inferred = _one(backend, prepared)
    inferred.arrays()  # what is computed where somebody looks is part of the network
    return inferred, time.perf_counter() - began


def _one(backend: Backend, prepared: Prepared) -> Inferred:
    (inferred,) = backend.submit([prepared]).result()
    return inferred
